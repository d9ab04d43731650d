"""The fault ``drop``."""

from typing import ClassVar

from simulator.faults.effects import Action, CutPoint
from simulator.faults.model import Placed


class Drop(Placed):
    """Discards one frame.

    At the request, the SPU never receives it; at the response, the request is applied but never
    answered. It models a server or a middlebox that loses a message, for example by a crash between
    two steps. Not realistic as a network: TCP never loses one frame and delivers the next. A
    ``stall`` models packet loss.
    """

    kind: ClassVar[str] = "drop"

    def action(self, at: CutPoint) -> Action:
        """Swallow the frame."""
        return Action(swallow=True)
