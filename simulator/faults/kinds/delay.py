"""The fault ``delay``."""

from collections.abc import Mapping
from typing import Any, ClassVar

from simulator.faults.distributions import Distribution
from simulator.faults.effects import Action, CutPoint
from simulator.faults.model import Placed


class Delay(Placed):
    """Delays one frame.

    At the request, the SPU receives the frame later; at the response, the client does. Delays add
    up. It models distance, a queue in the network, or a busy server. Frames of a connection keep
    their order, as in TCP, so a delayed frame also delays the frames after it. Not realistic: only
    whole frames are slow, while connecting and TCP acknowledgements are as fast as without faults.
    """

    kind: ClassVar[str] = "delay"
    example: ClassVar[Mapping[str, Any]] = {"by": "50ms"}

    by: Distribution
    """The delay: a duration, or a distribution to draw it from."""

    @classmethod
    def pinned(
        cls, fields: Mapping[str, Any], at: CutPoint, delay_s: float | None
    ) -> dict[str, Any]:
        """Return the fields with the delay that the frame had, if that is known."""
        return {**fields, **({} if delay_s is None else {"by": f"{round(delay_s * 1e6)}us"})}

    def action(self, at: CutPoint) -> Action:
        """Delay the frame by a sample of ``by``."""
        return Action(delay=self.by)
