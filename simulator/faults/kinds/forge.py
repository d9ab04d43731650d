"""The fault ``forge``."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from simulator.documents.strict_model import Conflict
from simulator.faults.effects import Action, CutPoint, Forgery
from simulator.faults.model import OfRecords


class Forge(OfRecords):
    """Falsifies a response.

    The request is applied, and the response is well formed, but not about what was asked. A client
    must not believe it: to a client that looks, the connection is broken. It models a server or a
    proxy that confuses requests. Not realistic: a real defect would hardly confuse only one thing.

    It strikes responses only, of produce and fetch. A forged topic is that of all its results, a
    forged partition or offset that of the entries that match; a missing or surplus result is the
    last one. A forged offset of fetch is the high watermark.
    """

    kind: ClassVar[str] = "forge"
    example: ClassVar[Mapping[str, Any]] = {"what": "topic"}

    what: Forgery
    """What is false: ``topic`` and ``partition`` are ones that the request does not name;
    ``missing-entry`` and ``extra-entry`` leave out or repeat the last result; ``offset`` is below
    zero; ``correlation-id`` is one that no request on the connection uses."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Report a cut point without a response."""
        yield from super().conflicts(written)
        if written.get("at") == "request":
            yield Conflict(("at",), "a request is not forged; write at: response")

    @property
    def cut_points(self) -> tuple[CutPoint, ...]:
        """The response."""
        return (CutPoint.RESPONSE,)

    def action(self, at: CutPoint) -> Action:
        """Forge the response."""
        return Action(forges=self.what)
