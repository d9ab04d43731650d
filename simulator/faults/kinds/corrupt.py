"""The fault ``corrupt``."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from simulator.documents.strict_model import Conflict
from simulator.faults.effects import Action, CutPoint
from simulator.faults.model import OfRecords, api_matched


class Corrupt(OfRecords):
    """Flips one bit.

    At the request, the bit is in the records, after the 61-byte header of a batch of the partition
    that the fault counted the request for. The SPU does not check the CRC and stores the batch with
    a new one: the log does not show that a bit was flipped, and no consumer finds out unless the
    records no longer decode or carry checksums of their own. At the response, the bit is anywhere
    after the correlation id. The position is drawn from the seed. It models failing memory, a
    failing disk, or a defective middlebox. Not realistic as a network: the checksums of TCP and TLS
    rarely let a flipped bit through.

    It strikes produce and fetch only. A fetch request carries no records, so only its response can
    be struck.
    """

    kind: ClassVar[str] = "corrupt"

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Report a request without records to alter."""
        yield from super().conflicts(written)
        if written.get("at") == "request" and api_matched(written) == "fetch":
            text = "a fetch request carries no records to alter; write at: response"
            yield Conflict(("at",), text)

    @property
    def cut_points(self) -> tuple[CutPoint, ...]:
        """The cut points at which the fault strikes."""
        if self.match.api == "fetch":
            return (CutPoint.RESPONSE,)
        return super().cut_points

    def action(self, at: CutPoint) -> Action:
        """Flip one bit."""
        return Action(flips_bit=True)
