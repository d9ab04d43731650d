"""The fault ``disconnect``."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from simulator.documents.quantities import Size
from simulator.documents.strict_model import Conflict
from simulator.faults.effects import Action, CutPoint, Ending
from simulator.faults.model import Placed


class Disconnect(Placed):
    """Ends the connection.

    At the request it ends before the request is applied; at the response the request was applied,
    and the connection ends after the first bytes of the answer. It stands for a server that was
    restarted (``fin``) or killed, or a firewall that forgot the connection (``rst``). With
    ``half-close`` the server only says that it will send no more: this request and those behind it
    are still applied, and never answered. Not realistic: a reset is made exactly between
    two frames, or after an exact number of bytes, where a real one falls anywhere.
    """

    kind: ClassVar[str] = "disconnect"

    how: Ending = "rst"
    """``rst``: a reset. ``fin``: read what has arrived, then close. ``half-close``: send no more,
    go on reading and applying."""
    after_bytes: Size = 0
    """How many bytes of the answer leave before the end; has a meaning only at the response."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Bytes of an answer that is never made cannot leave."""
        yield from super().conflicts(written)
        if written.get("at") == "request" and "after_bytes" in written:
            text = "at: request has no answer to cut; write at: response or remove after_bytes"
            yield Conflict(("after_bytes",), text)

    @classmethod
    def pinned(
        cls, fields: Mapping[str, Any], at: CutPoint, delay_s: float | None
    ) -> dict[str, Any]:
        """Without ``after_bytes`` at the request, where there is no answer to cut."""
        without = {"after_bytes"} if at is CutPoint.REQUEST else set()
        return {key: value for key, value in fields.items() if key not in without}

    def action(self, at: CutPoint) -> Action:
        """The end, at the response behind some bytes of the answer."""
        after_bytes = self.after_bytes if at is CutPoint.RESPONSE else 0
        return Action(ending=self.how, after_bytes=after_bytes)
