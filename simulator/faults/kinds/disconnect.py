"""The fault ``disconnect``."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from simulator.documents.quantities import Size
from simulator.documents.strict_model import Conflict
from simulator.faults.effects import Action, CutPoint, Ending
from simulator.faults.model import Placed


class Disconnect(Placed):
    """Ends the connection.

    At the request, the connection ends before the request is applied. At the response, the request
    is applied and the connection ends after the first bytes of the response. It models a server
    that restarts (``fin``) or is killed, or a firewall that loses the connection's state (``rst``).
    With ``half-close`` the server closes its writing direction only: it still applies this request
    and the following ones, but answers none of them. Not realistic: the reset comes exactly between
    two frames or after an exact number of bytes, whereas a real one comes at any byte.
    """

    kind: ClassVar[str] = "disconnect"

    how: Ending = "rst"
    """``rst``: reset. ``fin``: read the input that has arrived, and the rest of a request that has
    begun, then close. ``half-close``: stop sending, continue to read and apply requests."""
    after_bytes: Size = 0
    """The number of response bytes that are sent before the end; applies only at the response."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Report ``after_bytes`` at the request, where no response exists."""
        yield from super().conflicts(written)
        if written.get("at") == "request" and "after_bytes" in written:
            text = "at: request has no response to cut; write at: response or remove after_bytes"
            yield Conflict(("after_bytes",), text)

    @classmethod
    def pinned(
        cls, fields: Mapping[str, Any], at: CutPoint, delay_s: float | None
    ) -> dict[str, Any]:
        """Return the fields, without ``after_bytes`` at the request."""
        without = {"after_bytes"} if at is CutPoint.REQUEST else set()
        return {key: value for key, value in fields.items() if key not in without}

    def action(self, at: CutPoint) -> Action:
        """End the connection; at the response, after ``after_bytes`` bytes of it."""
        after_bytes = self.after_bytes if at is CutPoint.RESPONSE else 0
        return Action(ending=self.how, after_bytes=after_bytes)
