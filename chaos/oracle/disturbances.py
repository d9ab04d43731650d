"""When something struck a server: faults, closed listeners, and steps that change the cluster.

A *disturbance* is an interval from the time at which something strikes to the time at which its
direct effect ends: a delayed frame arrives, a listener opens again, a stopped SPU serves. What it
leaves behind in the client, such as an attempt that waits for an answer, is not part of it.
"""

from collections import defaultdict
from math import inf
from typing import TypeAlias

from chaos.oracle.evidence import Evidence
from chaos.oracle.frames.leaders import LEADER_EVENTS, Leaders
from simulator.events import (
    AddressChanged,
    ClosedBy,
    ConnectionClosed,
    ConnectionsCut,
    ConnectRefused,
    Event,
    FaultHit,
    Healed,
    LeaderElected,
    LeaderMoved,
    ListenerClosed,
    ListenerReopened,
    PartitionsAdded,
    SpuStarted,
    SpuStopped,
    TopicCreated,
    TopicDeleted,
)

Disturbance: TypeAlias = tuple[float, float]
"""Start and end, in seconds."""

SC = "sc"


class Disturbances:
    """All disturbances of one run.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._topic = evidence.scenario.topic.name
        self.by_server: defaultdict[str, list[Disturbance]] = defaultdict(list)
        """By server, its disturbances."""
        self.by_partition: defaultdict[int, list[Disturbance]] = defaultdict(list)
        """By partition, the changes of its leader, and the times at which no SPU served it."""
        self.of_topic: list[Disturbance] = []
        """The times at which the topic did not exist."""
        self.leaders: defaultdict[int, list[tuple[float, str]]] = defaultdict(list)
        """By partition, from when on which SPU led it."""
        self._elections: defaultdict[int, list[float]] = defaultdict(list)
        """By partition, when its leader was elected after the SPU of the old one had stopped."""
        self.healed_at = inf
        self._open: dict[tuple[str, str], float] = {}
        """By server and cause, since when a disturbance lasts."""
        self._now = Leaders(self._topic)
        self._unserved: dict[int, float] = {}
        """By partition, since when no SPU serves it."""
        stops = bool(evidence.events_of(SpuStopped))  # else each leader serves
        for happened in evidence.server_events:
            if type(happened) in _RELEVANT:
                self._add(happened)
                if stops and isinstance(happened, LEADER_EVENTS):
                    self._serve(happened)
        for partition, since in self._unserved.items():
            self.by_partition[partition].append((since, inf))
        for (server, _), since in self._open.items():
            self.by_server[server].append((since, inf))

    def of(self, partition: int | None) -> list[Disturbance]:
        """Return the disturbances of the servers that a partition needs, by their starts.

        Args:
            partition: the partition; None for all of them.
        """
        if partition is None:
            servers = set(self.by_server)
            moves = [move for moves in self.by_partition.values() for move in moves]
        else:
            servers = {SC, *(server for _, server in self.leaders[partition])}
            moves = self.by_partition[partition]
        found = [*self.of_topic, *moves]
        for server in servers:
            struck = self.by_server.get(server, ())
            if partition is not None and self._elections[partition]:
                struck = [
                    (start, self._end(partition, server, start, end)) for start, end in struck
                ]
            found += struck
        return sorted(found)

    def _end(self, partition: int, server: str, start: float, end: float) -> float:
        """Return when a disturbance of a server ended for a partition: an election ends it, unless
        the partition comes back to that server before."""
        led = self.leaders[partition]
        for t in self._elections[partition]:
            back = any(t <= since < end and leader == server for since, leader in led)
            if start <= t < end and not back:
                return t
        return end

    # --- gathering

    def _add(self, happened: Event) -> None:
        match happened:
            case FaultHit(shadowed=False, server=server):
                self.by_server[server].append((happened.t, happened.t + happened.delay_s))
            case ConnectRefused(server=server) | ConnectionsCut(server=server):
                self.by_server[server].append((happened.t, happened.t))
            case ConnectionClosed(server=server) if happened.by is not ClosedBy.CLIENT:
                self.by_server[server].append((happened.t, happened.t))
            case ListenerClosed(server=server, fault=fault):
                self._open.setdefault((server, fault), happened.t)
            case ListenerReopened(server=server, fault=fault):
                self._close(server, fault, happened.t)
            case Healed():
                self.healed_at = happened.t
            case _:
                self._change(happened)

    def _change(self, happened: Event) -> None:
        match happened:
            case SpuStopped(spu=spu):
                self._open.setdefault((f"spu:{spu}", ""), happened.t)
            case SpuStarted(spu=spu):
                self._close(f"spu:{spu}", "", happened.t)
                self.by_server[f"spu:{spu}"].append((happened.t, happened.t))
            case AddressChanged(spu=spu):
                self.by_server[f"spu:{spu}"].append((happened.t, happened.t))
                self.by_server[SC].append((happened.t, happened.t))  # a client learns of it there
            case TopicCreated() if happened.topic == self._topic:
                for partition, spu in enumerate(happened.leaders):
                    self._lead(partition, spu, happened.t)
                if self.of_topic and self.of_topic[-1][1] == inf:
                    self.of_topic[-1] = self.of_topic[-1][0], happened.t
            case TopicDeleted() if happened.topic == self._topic:
                self.of_topic.append((happened.t, inf))
            case PartitionsAdded() if happened.topic == self._topic:
                for partition, spu in enumerate(happened.leaders, happened.first):
                    self._lead(partition, spu, happened.t)
                self.of_topic.append((happened.t, happened.t))
            case LeaderMoved() | LeaderElected() if happened.topic == self._topic:
                self._lead(happened.partition, happened.spu, happened.t)
                self.by_partition[happened.partition].append((happened.t, happened.t))
                if isinstance(happened, LeaderElected):
                    self._elections[happened.partition].append(happened.t)

    def _lead(self, partition: int, spu: int, t: float) -> None:
        self.leaders[partition].append((t, f"spu:{spu}"))

    def _serve(self, happened: Event) -> None:
        """Note the partitions that have a leader and are not served, and since when."""
        now = self._now
        for partition in now.follow(happened):
            if partition in now.assigned and now.serving_of(partition) is None:
                self._unserved.setdefault(partition, happened.t)
            elif (since := self._unserved.pop(partition, None)) is not None:
                self.by_partition[partition].append((since, happened.t))

    def _close(self, server: str, cause: str, t: float) -> None:
        since = self._open.pop((server, cause), None)
        if since is not None:
            self.by_server[server].append((since, t))


_RELEVANT = frozenset(
    {
        AddressChanged,
        ConnectionsCut,
        ConnectRefused,
        ConnectionClosed,
        FaultHit,
        Healed,
        ListenerClosed,
        ListenerReopened,
        *LEADER_EVENTS,
    }
)
"""The events about disturbances."""


def disturbances(evidence: Evidence) -> Disturbances:
    """Return the disturbances of a run; for ``Evidence.once``."""
    return Disturbances(evidence)
