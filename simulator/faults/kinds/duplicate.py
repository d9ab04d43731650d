"""The fault ``duplicate``."""

from typing import ClassVar

from simulator.faults.effects import Action, CutPoint
from simulator.faults.model import Placed


class Duplicate(Placed):
    """Delivers one frame twice.

    At the request, the SPU applies and answers it twice, so its records are stored twice. At the
    response, the client receives the response twice. It models a proxy that repeats a request. A
    real SPU would store the copy, too, because nothing on the wire distinguishes it from a new
    request. Not realistic as a network: TCP discards repeated bytes.
    """

    kind: ClassVar[str] = "duplicate"

    def action(self, at: CutPoint) -> Action:
        """Deliver one additional copy."""
        return Action(copies=1)
