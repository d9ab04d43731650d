"""The fault ``stall``."""

from typing import ClassVar

from simulator.faults.effects import Action, CutPoint
from simulator.faults.model import Placed


class Stall(Placed):
    """Silences the connection but leaves it open.

    At the request, the server reads nothing more from the connection, starting with this frame. At
    the response, the request is applied, and the server writes nothing more. It models real loss: a
    pulled cable, a lost route, a frozen host. Nothing arrives until a timeout ends the connection.
    Not realistic: the operating system still acknowledges packets, so the client's TCP never gives
    up, and with a stalled response the server still reads requests.
    """

    kind: ClassVar[str] = "stall"

    def action(self, at: CutPoint) -> Action:
        """Silence the connection."""
        return Action(silence=True)
