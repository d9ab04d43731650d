"""The fault ``stall``."""

from typing import ClassVar

from simulator.faults.effects import Action, CutPoint
from simulator.faults.model import Placed


class Stall(Placed):
    """Falls silent, with the connection open.

    At the request nothing more is read from this connection, this frame included; at the response
    the request was applied, and nothing more is written. It stands for what real loss looks like:
    a cable pulled, a route gone, a host frozen. Nothing arrives until somebody's timeout ends the
    connection. Not realistic: the operating system below goes on acknowledging packets, so that the
    client's own TCP never gives up, and with a stalled response its requests are still read.
    """

    kind: ClassVar[str] = "stall"

    def action(self, at: CutPoint) -> Action:
        """Silence from here on."""
        return Action(silence=True)
