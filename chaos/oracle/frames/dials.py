"""The pauses behind failed dials to an SPU.

Behind a failed dial the next one to that SPU waits, twice as long each time, until a request is
answered. Only refused dials are certain to have failed, and others may fail unseen; so the pauses
computed here are the shortest ones. The client learns of a failure no sooner than the event of it,
and a dial leaves no event before it began.
"""

from collections.abc import Iterator
from math import inf

from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import at, lasting
from chaos.oracle.timing import timing
from chaos.oracle.visibility import SC
from chaos.spec.bounds import DIAL_BACKOFF_MAX_S, DIAL_BACKOFF_S
from simulator.events import (
    AddressChanged,
    ConnectionOpened,
    ConnectRefused,
    DialRefused,
    Event,
    FrameWritten,
)

_DOUBLINGS_MAX = 16
"""After as many, every pause is the longest."""


class _Failures:
    """The refused dials to one SPU since it answered a request."""

    def __init__(self) -> None:
        self.count = 0
        self.last: float | None = None
        """When the last dial was refused; None if another dial followed."""
        self.answered_by = 0.0
        """When the client has read the last answer to a request, at the latest."""

    @property
    def pause(self) -> float:
        """The shortest pause that the client may make now, in seconds."""
        doublings = min(self.count - 1, _DOUBLINGS_MAX)
        return min(DIAL_BACKOFF_S * 2.0**doublings, DIAL_BACKOFF_MAX_S)

    def refused(self, t: float) -> None:
        """Count a refused dial."""
        self.count = 1 if t <= self.answered_by else self.count + 1
        self.last = t


def hasty_dials(evidence: Evidence) -> Iterator[str]:
    """Yield the dials that began too soon behind a refused one.

    Only exact times show them: a machine that adds delays adds more than most of these pauses. An
    SPU whose address changed is judged no more, as a client dials a new address at once.
    """
    times = evidence.once(timing)
    kinds: tuple[type[Event], ...] = (ConnectRefused, DialRefused)
    if not times.exact or not any(map(evidence.events_of, kinds)):
        return
    moved: dict[str, float] = {}
    for each in evidence.events_of(AddressChanged):
        moved.setdefault(f"spu:{each.spu}", each.t)
    failures: dict[str, _Failures] = {}
    for event in evidence.server_events:
        match event:
            case FrameWritten(server=server) if event.api != "api-versions":
                if server in failures:
                    failures[server].count = 0
                    failures[server].answered_by = times.noticed_by(event.t)
            case (
                ConnectionOpened(server=server)
                | ConnectRefused(server=server)
                | DialRefused(server=server)
            ):
                if server == SC or event.t >= moved.get(server, event.t + 1):
                    continue
                known = failures.setdefault(server, _Failures())
                waited = inf if known.last is None else event.t - known.last
                if waited + times.slack < known.pause:
                    yield (
                        f"{server} was dialled again {at(event.t)}, {lasting(waited)} after it had "
                        f"refused a dial, where a client waits {lasting(known.pause)}"
                    )
                known.last = None
                if isinstance(event, DialRefused) or (
                    isinstance(event, ConnectRefused) and event.how == "rst"
                ):
                    known.refused(event.t)
