"""The fault ``error``."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, get_args

from simulator.documents.strict_model import Conflict
from simulator.faults.effects import Action, CutPoint
from simulator.faults.model import ALL_APIS, Placed
from wire.api import APIS

ErrorName = Literal[
    "NotLeaderForPartition",
    "MessageTooLarge",
    "CompressionError",
    "TopicNotFound",
    "RequestTimedOut",
    "StorageError",
    "PartitionFull",
    "PartitionShortCircuited",
    "UnknownServerError",
    "Other",
    "PermissionDenied",
]
"""The error codes that an SPU can answer a produce request with."""

OPEN_CODES = (
    "RequestTimedOut",
    "StorageError",
    "PartitionFull",
    "PartitionShortCircuited",
    "UnknownServerError",
    "Other",
)
"""The codes that leave open whether the records are stored: the only ones that may answer a request
that was applied. The others say that nothing is stored, and the judge takes an SPU at its word."""


class Error(Placed):
    """Answers with an error code.

    At the request the request is not applied; at the response it is applied first, which only codes
    that leave the outcome open can follow. All entries of the partition that the fault counted the
    request for get the code, the other entries are applied and answered as ever; create and delete
    are refused as a whole, and an API whose answers have no place for a code cannot be matched. It
    stands for an SPU in that condition: no longer the leader, its disk full, its storage failing.
    Not realistic: the condition is not there, so that the next request finds everything in order.
    """

    kind: ClassVar[str] = "error"
    example: ClassVar[Mapping[str, Any]] = {"code": "Other"}

    code: ErrorName
    """The error code as Fluvio spells it. At the response, where the records are stored, only one
    that leaves that open: RequestTimedOut, StorageError, PartitionFull, PartitionShortCircuited,
    UnknownServerError, Other."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """The code needs a place in the answer and may not lie about what is stored."""
        yield from super().conflicts(written)
        code, match = written.get("code"), written.get("match")
        certain = code in get_args(ErrorName) and code not in OPEN_CODES
        if certain and written.get("at", "both") != "request":
            yield Conflict(
                ("at",) if "at" in written else ("code",),
                "at: response allows only codes that leave the outcome open"
                f" ({', '.join(OPEN_CODES)}); write at: request",
            )
        api = match.get("api") if isinstance(match, Mapping) else getattr(match, "api", None)
        with_codes = [each.name for each in APIS.values() if each.has_code]
        if api in (*APIS, ALL_APIS) and api not in with_codes:
            yield Conflict(
                ("match", "api"),
                f"{api} has no place for an error code; write one of {', '.join(with_codes)}",
            )
        if written.get("empty") is True:
            text = "a request without partitions has no place for an error code; remove empty"
            yield Conflict(("empty",), text)

    def action(self, at: CutPoint) -> Action:
        """The code in place of the result."""
        return Action(code=self.code)
