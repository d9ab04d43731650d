"""The fault ``corrupt``."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from simulator.documents.strict_model import Conflict
from simulator.faults.effects import Action, CutPoint
from simulator.faults.model import ALL_APIS, Placed
from wire.api import APIS

APIS_WITH_RECORDS = ("produce", "fetch")
"""The APIs that carry records, one way or the other."""


class Corrupt(Placed):
    """Flips one bit.

    At the request a bit of the records, behind the 61-byte header of a batch of the partition that
    the fault counted the request for; the SPU stores the batch as it is, for it looks at no CRC. At
    the response a bit of what stands behind the correlation id. Which bit is drawn from the seed.
    It stands for memory or a disk that fails, or a middlebox with a defect. Not realistic as a
    network: the checksums of TCP and TLS let no flipped bit through that often.

    It strikes produce and fetch only; a fetch request brings no records, so that only its answer
    can be struck.
    """

    kind: ClassVar[str] = "corrupt"

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """There must be records to alter."""
        yield from super().conflicts(written)
        match = written.get("match")
        api = match.get("api") if isinstance(match, Mapping) else getattr(match, "api", None)
        if api in (*APIS, ALL_APIS) and api not in APIS_WITH_RECORDS:
            text = f"{api} carries no records; write one of {', '.join(APIS_WITH_RECORDS)}"
            yield Conflict(("match", "api"), text)
        if api == "fetch" and written.get("at") == "request":
            text = "a fetch request brings no records to alter; write at: response"
            yield Conflict(("at",), text)
        if written.get("empty") is True:
            text = "a request without partitions brings no records to alter; remove empty"
            yield Conflict(("empty",), text)

    @property
    def cut_points(self) -> tuple[CutPoint, ...]:
        """Where it strikes."""
        if self.match.api == "fetch":
            return (CutPoint.RESPONSE,)
        return super().cut_points

    def action(self, at: CutPoint) -> Action:
        """One bit flipped."""
        return Action(flips_bit=True)
