"""What faults do to frames: the actions that a server carries out, and their effects.

A fault kind says with an ``Action`` what happens to the frames that it strikes at a cut point. A
server carries out actions and knows no kinds, so that a kind which combines known actions needs no
change there. The *effects* follow from the action: what a client, and a judge, must expect. Checks
read effects alone.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias


class CutPoint(StrEnum):
    """The moment at which a fault strikes."""

    REQUEST = "request"
    """Read, and not yet applied."""
    RESPONSE = "response"
    """Applied, and not yet answered."""


class Effect(StrEnum):
    """One thing that a fault may do to an exchange, as a client or a judge sees it.

    The effects of a fault are complete: what none of them says did not happen.
    """

    NOT_APPLIED = "not-applied"
    """The request is not applied."""
    NOT_ANSWERED = "not-answered"
    """No whole answer to this request reaches the client."""
    LATE = "late"
    """The frame, and those behind it, arrive later."""
    REPEATED = "repeated"
    """The frame arrives more than once; at the request it is applied each time."""
    ANSWERED_WITH_CODE = "answered-with-code"
    """The answer holds an error code that the fault chose. It is well formed, and a client may take
    the server at its word; so it is neither a forged answer nor none."""
    ENDS_CONNECTION = "ends-connection"
    """The connection ends, or the server says that it will write no more."""
    SILENCES = "silences"
    """The connection stays open, and the server does not read from it or write to it any more."""
    FORGES_ANSWER = "forges-answer"
    """The answer is well formed and wrong."""
    ALTERS_BYTES = "alters-bytes"
    """The frame arrives with other bytes than those that were sent."""
    HIDES_ATTEMPTS = "hides-attempts"
    """Later frames or connects of the client leave no event."""


Ending: TypeAlias = Literal["rst", "fin", "half-close"]
"""How a connection ends: by a reset; by a FIN, once the input that has arrived is read; or by a FIN
in one direction, while the server goes on reading and applying."""


class Sampled(Protocol):
    """A quantity that is drawn for each frame."""

    def sample(self, u: float) -> float:
        """The quantity for a uniform draw in [0, 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What a fault does to each frame that it strikes at one cut point.

    Several fields may be set; a server carries them out in the order in which they stand here.
    """

    delay: Sampled | None = None
    """Hold the frame back; the sample is in seconds."""
    flips_bit: bool = False
    """Flip one bit, which is drawn: at the request of the records that it brings for a partition,
    at the response of what stands behind the correlation id."""
    code: str | None = None
    """Answer with this error code; at the request nothing is applied."""
    copies: int = 0
    """Deliver the frame so many times more."""
    swallow: bool = False
    """Do not deliver the frame."""
    silence: bool = False
    """Do not deliver the frame; at the request read nothing more from the connection, at the
    response write nothing more to it."""
    ending: Ending | None = None
    """End the connection: at the request before the request is applied, at the response after
    ``after_bytes`` of the answer."""
    after_bytes: int = 0
    """How many bytes of the answer are written before the end."""

    @property
    def terminal(self) -> bool:
        """Whether it decides what becomes of the frame, so that at most one such action applies."""
        return bool(self.code or self.swallow or self.silence or self.ending)

    @property
    def only_delays(self) -> bool:
        """Whether the frame is late and nothing else happens to it."""
        return not (self.terminal or self.copies or self.flips_bit)

    @property
    def reads_on(self) -> bool:
        """Whether a server goes on reading from the connection after this action at the request."""
        return not self.silence and self.ending in (None, "half-close")

    def effects(self, at: CutPoint) -> tuple[Effect, ...]:
        """The effects of the action at a cut point, in the order of ``Effect``."""
        request = at is CutPoint.REQUEST
        ends = self.ending is not None
        applied = not request or not (
            self.swallow or self.silence or self.code or self.ending in ("rst", "fin")
        )
        found = {
            Effect.LATE: self.delay is not None,
            Effect.ALTERS_BYTES: self.flips_bit,
            Effect.ANSWERED_WITH_CODE: self.code is not None,
            Effect.REPEATED: self.copies > 0,
            Effect.NOT_APPLIED: not applied,
            Effect.NOT_ANSWERED: self.swallow or self.silence or ends,
            Effect.SILENCES: self.silence,
            Effect.ENDS_CONNECTION: ends,
            Effect.HIDES_ATTEMPTS: ends or (self.silence and request),
        }
        return tuple(effect for effect in Effect if found.get(effect))


DECIDING = frozenset({Effect.NOT_APPLIED, Effect.NOT_ANSWERED, Effect.ANSWERED_WITH_CODE})
"""The effects of terminal actions: one of them decides what becomes of a frame."""

NOTHING = Action()
"""The frame goes its way."""
