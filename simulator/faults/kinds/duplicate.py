"""The fault ``duplicate``."""

from typing import ClassVar

from simulator.faults.effects import Action, CutPoint
from simulator.faults.model import Placed


class Duplicate(Placed):
    """Delivers one frame twice.

    At the request it is applied twice, and so stored twice, and answered twice; at the response the
    client gets the answer twice. It stands for a proxy that repeats a request. A real SPU would
    store the copy as well, for nothing on the wire tells it apart. Not realistic as a network: TCP
    discards repeated bytes.
    """

    kind: ClassVar[str] = "duplicate"

    def action(self, at: CutPoint) -> Action:
        """One copy more."""
        return Action(copies=1)
