"""Replicas: followers that fetch, the high watermark, and the election of a leader.

The naive approach copies each append to every replica at once; then no acknowledged record is ever
missing, and no client that forgets to ask for the commit is ever caught. In a real cluster
(``fluvio-spu/src/replication``, ``fluvio-sc/src/controllers/partitions``) a follower fetches what
the leader has, and reports the end of its log with the fetch. A record is committed when *every*
replica of its partition has it, also those whose SPU is down: the high watermark is the lowest end
that the followers reported.

When the SPU of a leader stops, the SC elects a follower on a live SPU that has all committed
records, and among these one with the highest end. What it lacks is gone, and its offsets are given
to other records. A replica whose log reaches further has *diverged*: it keeps its tail to itself.
As in a real cluster its leader ignores its reports until the leader's own log is as long; from then
on they count, although the two logs differ. A diverged replica is never elected, nor is one that
has not fetched yet. Without a candidate the partition has no leader until one of the SPUs returns.

Different from a real SC: the election looks at what the followers have. A real SC goes by reports
that are up to 0.4 s old, and rejects a follower that they show 4 or more records behind its leader.

The state is plain and synchronous: ``next_due`` says when something happens next, ``act`` makes it
happen, and ``wake`` is called when it is to happen earlier than was said.
"""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from math import inf

from simulator.cluster.cluster import Cluster, Partition, Spu, Thing
from simulator.cluster.follower import Follower
from simulator.faults.distributions import Constant, Distribution
from simulator.faults.draws import Draws

ELECTION_S = 0.8
"""How long after the end of a leader its partition has a new one, in seconds: a real SC was seen to
take up to that."""


@dataclass(frozen=True, slots=True)
class ReplicationTerms:
    """How the partitions of a cluster are replicated."""

    replicas: int = 2
    """The number of replicas of each partition, the leader's included."""
    lag: Distribution = field(default_factory=lambda: Constant("0ms"))
    """How long each fetch of a follower takes, in seconds."""
    first_fetch_s: float = 0.0
    """How long after the creation of a partition its followers begin to fetch, in seconds."""


@dataclass(slots=True, eq=False)
class _Replicas:
    """The replicas of one partition."""

    partition: Partition
    leader: int
    created: float
    others: dict[int, Follower]
    """By SPU, each replica but the leader's."""
    election_due: float = inf


class Replication:
    """The replicas of every partition that has more than one.

    Args:
        cluster: the cluster.
        terms: how its partitions are replicated.
        seed: the random seed of the lags.
        now: the time, in seconds of the simulator's clock.
        elected: called with a partition, its new leader, and the offset to which that one has the
            log, before anything is changed or told.
        caught_up: called with a partition and a follower whose fetch has arrived.
    """

    def __init__(
        self,
        cluster: Cluster,
        terms: ReplicationTerms,
        seed: int,
        now: Callable[[], float],
        elected: Callable[[Partition, int, int], None],
        caught_up: Callable[[Partition, Follower], None],
    ) -> None:
        self._cluster = cluster
        self._terms = terms
        self._seed = seed
        self._now = now
        self._elected = elected
        self._caught_up = caught_up
        self.wake: Callable[[], None] = lambda: None
        """Called when ``next_due`` has become earlier."""
        self._online = {spu.index for spu in cluster.spus if spu.online}
        self._replicas: dict[Partition, _Replicas] = {}
        self._timers: list[tuple[float, int, _Replicas, Follower | None]] = []
        """A heap of what is due: a follower's fetch, or an election (None). Those that were put
        off or broken off stay until their time, and do nothing then."""
        self._numbers = count()
        cluster.subscribe(self._hear)
        self._hear([*cluster.partitions()], gone=False)

    # --- time

    def next_due(self) -> float:
        """Return when something happens next, in seconds of the simulator's clock."""
        return self._timers[0][0] if self._timers else inf

    def act(self) -> None:
        """Make happen what is due by now."""
        now = self._now()
        while self._timers and self._timers[0][0] <= now:
            due, _, replicas, follower = heapq.heappop(self._timers)
            if follower is None:
                if replicas.election_due == due:
                    replicas.election_due = inf
                    self._elect(replicas)
            elif follower.due == due:
                self._fetch(replicas, follower, now)

    def _at(self, due: float, replicas: _Replicas, follower: Follower | None) -> None:
        earlier = due < self.next_due()
        heapq.heappush(self._timers, (due, next(self._numbers), replicas, follower))
        if earlier:
            self.wake()

    # --- the cluster changes

    def _hear(self, things: list[Thing], gone: bool) -> None:
        for thing in things:
            if isinstance(thing, Partition):
                self._partition_changed(thing, gone)
            elif isinstance(thing, Spu) and thing.online != (thing.index in self._online):
                if thing.online:
                    self._online.add(thing.index)
                else:
                    self._online.remove(thing.index)
                for replicas in [*self._replicas.values()]:
                    self._spu_changed(replicas, thing)

    def _partition_changed(self, partition: Partition, gone: bool) -> None:
        replicas = self._replicas.get(partition)
        if gone:
            if replicas is not None:
                del self._replicas[partition]
                self._halt(replicas)
                replicas.election_due = inf
        elif replicas is None:
            self._add(partition)
        elif replicas.leader != partition.leader:
            # The leader moved, and the whole log with it.
            self._lead(replicas, partition.log.end_offset)

    def _add(self, partition: Partition) -> None:
        if len(partition.replicas) < 2:
            return
        others = {spu: Follower(spu) for spu in partition.replicas[1:]}
        replicas = _Replicas(partition, partition.leader, self._now(), others)
        self._replicas[partition] = replicas
        partition.followers = [*others.values()]

        def appended() -> None:
            self._follow(replicas)

        partition.log.replicate = appended
        self._follow(replicas)

    def _spu_changed(self, replicas: _Replicas, spu: Spu) -> None:
        leads, follower = replicas.leader == spu.index, replicas.others.get(spu.index)
        if not spu.online:
            if leads:
                self._halt(replicas)
                self._call_election(replicas)
            elif follower is not None:
                follower.stop()
        elif leads:
            replicas.election_due = inf
            for other in replicas.others.values():
                other.known = -1
            self._follow(replicas)
        elif follower is not None:
            if replicas.leader in self._online:
                self._follow(replicas)
            elif replicas.election_due == inf:
                self._call_election(replicas)

    def _halt(self, replicas: _Replicas) -> None:
        for follower in replicas.others.values():
            follower.stop()

    # --- fetching

    def _follow(self, replicas: _Replicas) -> None:
        """Begin a fetch of each follower that can and needs to."""
        end, now = replicas.partition.log.end_offset, self._now()
        for follower in self._live(replicas):
            if follower.due < inf or follower.end > end or follower.known == end:
                continue
            ready = replicas.created + self._terms.first_fetch_s
            if follower.fetched or ready <= now:
                self._begin(replicas, follower, now)
            else:
                follower.due = ready
                self._at(ready, replicas, follower)

    def _live(self, replicas: _Replicas) -> Iterator[Follower]:
        """Yield the followers on live SPUs, if the leader's is live."""
        if replicas.leader in self._online:
            yield from (f for spu, f in replicas.others.items() if spu in self._online)

    def _begin(self, replicas: _Replicas, follower: Follower, now: float) -> None:
        partition = replicas.partition
        draws = Draws(self._seed, "replication", f"spu:{follower.spu}")
        follower.fetches += 1
        u, _ = draws.of_partition(partition.topic.name, partition.index, follower.fetches)
        follower.fetch_end = partition.log.end_offset
        follower.due = now + self._terms.lag.sample(u)
        self._at(follower.due, replicas, follower)

    def _fetch(self, replicas: _Replicas, follower: Follower, now: float) -> None:
        """Begin the fetch of a follower, or let it arrive."""
        if follower.fetch_end is None:
            self._begin(replicas, follower, now)
            return
        log = replicas.partition.log
        follower.end = max(follower.end, follower.fetch_end)
        follower.known, follower.fetched = follower.end, True
        follower.stop()
        lowest = min(f.known for f in replicas.others.values())
        if lowest > log.high_watermark(now):
            log.commit(lowest)
        self._caught_up(replicas.partition, follower)
        self._follow(replicas)

    # --- electing

    def _call_election(self, replicas: _Replicas) -> None:
        replicas.election_due = self._now() + ELECTION_S
        self._at(replicas.election_due, replicas, None)

    def _elect(self, replicas: _Replicas) -> None:
        partition, log = replicas.partition, replicas.partition.log
        committed = log.high_watermark(self._now())
        candidates = [
            follower
            for follower in replicas.others.values()
            if follower.spu in self._online
            and follower.fetched
            and not follower.diverged
            and follower.end >= committed
        ]
        if not candidates:
            return
        elected = max(candidates, key=lambda follower: follower.end)
        end = log.end_offset
        self._elected(partition, elected.spu, elected.end)
        partition.replicas.remove(elected.spu)
        partition.replicas.insert(0, elected.spu)
        log.truncate(elected.end)
        self._lead(replicas, end)
        self._cluster.leader_elected(partition)

    def _lead(self, replicas: _Replicas, end: int) -> None:
        """Make the followers follow another leader.

        Args:
            replicas: the replicas, whose partition has its new leader and log already.
            end: where the log of the old leader ends.
        """
        partition, old = replicas.partition, replicas.leader
        self._halt(replicas)
        before = {**replicas.others, old: Follower(old, end=end, fetched=True)}
        replicas.leader, replicas.election_due = partition.leader, inf
        replicas.others = {}
        for spu in partition.replicas[1:]:
            follower = replicas.others[spu] = before.get(spu) or Follower(spu)
            follower.known = -1
            follower.diverged |= follower.end > partition.log.end_offset
        partition.followers = [*replicas.others.values()]
        self._follow(replicas)
