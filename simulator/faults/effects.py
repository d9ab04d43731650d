"""Actions that a server carries out on frames, and the effects that follow from them.

A fault kind declares an ``Action`` for each cut point. A server carries out actions and knows no
kinds, so a kind that combines known actions needs no change in the server. The *effects* follow
from the action: they say what a client and the judge must expect. Checks read effects alone.
"""

from dataclasses import dataclass
from enum import StrEnum
from itertools import compress
from typing import Literal, NamedTuple, Protocol, TypeAlias


class CutPoint(StrEnum):
    """The point of an exchange at which a fault strikes."""

    REQUEST = "request"
    """After the request is read, before it is applied."""
    RESPONSE = "response"
    """After the request is applied, before the response is written."""


class Effect(StrEnum):
    """One consequence of a fault for an exchange, as a client or the judge observes it.

    The effects of a fault are complete: a fault has no consequence that is not among them.
    """

    NOT_APPLIED = "not-applied"
    """The request is not applied."""
    NOT_ANSWERED = "not-answered"
    """No complete response to this request reaches the client."""
    LATE = "late"
    """The frame and the frames after it arrive later."""
    REPEATED = "repeated"
    """The frame arrives more than once; a repeated request is applied each time."""
    ANSWERED_WITH_CODE = "answered-with-code"
    """The response holds an error code that the fault chose. It is well formed, and a client may
    trust it, so it counts neither as forged nor as missing."""
    ENDS_CONNECTION = "ends-connection"
    """The connection ends, or the server closes its writing direction."""
    SILENCES = "silences"
    """The connection stays open, but the server stops reading from it or writing to it."""
    FORGES_ANSWER = "forges-answer"
    """The response is well formed, but not about what was asked. A client must not believe it, and
    may end the connection."""
    ALTERS_BYTES = "alters-bytes"
    """Some bytes of the frame change on the way."""
    HIDES_ATTEMPTS = "hides-attempts"
    """Later frames or connection attempts of the client leave no event."""


Ending: TypeAlias = Literal["rst", "fin", "half-close"]
"""How a connection ends: by a reset; by a FIN after the input that has arrived is read; or by a FIN
in one direction, while the server continues to read and apply requests."""


Forgery: TypeAlias = Literal[
    "topic", "partition", "missing-entry", "extra-entry", "offset", "correlation-id"
]
"""What is wrong about a well-formed response: it names a topic or a partition that the request does
not name, its last entry is missing or repeated, its offset is below zero, or it has a correlation
id that no request on the connection uses."""


class StruckEntries(NamedTuple):
    """The entries of a request that a fault concerns: those of one partition, or one of them."""

    topic: str
    partition: int
    entry: int | None = None
    """The position of the only entry, from 0; None for all entries of the partition."""

    def cover(self, topic: str, partition: int, entry: int) -> bool:
        """Return whether the entry at a position of the request is one of them."""
        return (self.topic, self.partition) == (topic, partition) and self.entry in (None, entry)


class Sampled(Protocol):
    """A quantity that is drawn for each frame."""

    def sample(self, u: float) -> float:
        """Return the quantity for a uniform draw in [0, 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a fault does to each frame that it strikes at one cut point.

    Several fields may be set; a server carries them out in the order of their declaration.
    """

    delay: Sampled | None = None
    """Delay the frame by a sample, in seconds."""
    flips_bit: bool = False
    """Flip one bit at a drawn position: at the request, in the records of one partition; at the
    response, after the correlation id."""
    forges: Forgery | None = None
    """Forge the response."""
    code: str | None = None
    """Answer with this error code; at the request nothing is applied."""
    copies: int = 0
    """The number of additional deliveries of the frame."""
    swallow: bool = False
    """Do not deliver the frame."""
    silence: bool = False
    """Do not deliver the frame; at the request, stop reading from the connection; at the response,
    stop writing to it."""
    ending: Ending | None = None
    """End the connection: at the request, before the request is applied; at the response, after
    ``after_bytes`` of the response."""
    after_bytes: int = 0
    """The number of response bytes that are written before the end."""

    @property
    def terminal(self) -> bool:
        """Whether the action decides the frame; at most one such action applies to a frame."""
        return bool(self.code or self.swallow or self.silence or self.ending)

    @property
    def only_delays(self) -> bool:
        """Whether the action does nothing but delay the frame."""
        return not (self.terminal or self.copies or self.flips_bit or self.forges)

    @property
    def reads_on(self) -> bool:
        """Whether the server still reads from the connection after this action at the request."""
        return not self.silence and self.ending in (None, "half-close")

    def effects(self, at: CutPoint) -> tuple[Effect, ...]:
        """Return the effects of the action at a cut point, in the order of ``Effect``."""
        request = at is CutPoint.REQUEST
        ends = self.ending is not None
        applied = not request or not (
            self.swallow or self.silence or self.code or self.ending in ("rst", "fin")
        )
        unanswered = self.swallow or self.silence or ends or self.forges == "correlation-id"
        there = (
            not applied,
            unanswered,
            self.delay is not None,
            self.copies > 0,
            self.code is not None,
            ends,
            self.silence,
            self.forges is not None,
            self.flips_bit,
            ends or (self.silence and request),
        )
        return tuple(compress(_EFFECTS, there))


DECIDING = frozenset({Effect.NOT_APPLIED, Effect.NOT_ANSWERED, Effect.ANSWERED_WITH_CODE})
"""The effects of terminal actions."""

_EFFECTS = tuple(Effect)
"""The effects in the order in which ``Action.effects`` decides about them."""

NOTHING = Action()
"""The frame is delivered unchanged."""
