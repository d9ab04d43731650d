"""The fault ``delay``."""

from collections.abc import Mapping
from typing import Any, ClassVar

from simulator.faults.distributions import Distribution
from simulator.faults.effects import Action, CutPoint
from simulator.faults.model import Placed


class Delay(Placed):
    """Holds a frame back.

    At the request the SPU gets it later, at the response the client does. Delays add up. It stands
    for distance, for a queue on the way, for a server that is busy. Frames of a connection keep
    their order, as TCP keeps it: a delayed frame holds back those behind it. Not realistic: only
    whole frames are slow, while connecting and the packets' acknowledgements are as fast as ever.
    """

    kind: ClassVar[str] = "delay"
    example: ClassVar[Mapping[str, Any]] = {"by": "50ms"}

    by: Distribution
    """How long: a duration, or a distribution to draw it from."""

    @classmethod
    def pinned(
        cls, fields: Mapping[str, Any], at: CutPoint, delay_s: float | None
    ) -> dict[str, Any]:
        """As late as the frame was, where that is known."""
        return {**fields, **({} if delay_s is None else {"by": f"{round(delay_s * 1e6)}us"})}

    def action(self, at: CutPoint) -> Action:
        """Late by a sample."""
        return Action(delay=self.by)
