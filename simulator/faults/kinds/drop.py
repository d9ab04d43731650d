"""The fault ``drop``."""

from typing import ClassVar

from simulator.faults.effects import Action, CutPoint
from simulator.faults.model import Placed


class Drop(Placed):
    """Loses one frame.

    At the request the SPU never gets it; at the response the request was applied and is never
    answered. It stands for a server or a middlebox that lost the message: a crash between two
    steps, a proxy that answers nobody. Not realistic as a network: TCP never loses one frame and
    delivers the next; what packet loss looks like is a ``stall``.
    """

    kind: ClassVar[str] = "drop"

    def action(self, at: CutPoint) -> Action:
        """Nothing arrives."""
        return Action(swallow=True)
