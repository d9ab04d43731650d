"""The fault ``error``."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal, get_args

from simulator.documents.strict_model import Conflict
from simulator.faults.effects import Action, CutPoint
from simulator.faults.model import ALL_APIS, Placed, api_matched
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
"""The codes that leave open whether the records are stored. Only these may answer a request that
was applied: all other codes say that nothing is stored, and the judge believes them."""


class Error(Placed):
    """Answers with an error code.

    At the request, the request is not applied. At the response, it is applied first, so only codes
    that leave the outcome open are allowed there. All entries of the partition that the fault
    counted the request for get the code; the other entries are applied and answered normally.
    Create and delete requests fail as a whole. An API whose responses have no field for a code
    cannot be matched. It models an SPU that is no longer the leader, whose disk is full, or whose
    storage fails. Not realistic: the condition does not exist, so the next request succeeds.
    """

    kind: ClassVar[str] = "error"
    example: ClassVar[Mapping[str, Any]] = {"code": "Other"}

    code: ErrorName
    """The error code as Fluvio spells it. At the response, only codes that leave open whether the
    records are stored are allowed: RequestTimedOut, StorageError, PartitionFull,
    PartitionShortCircuited, UnknownServerError, Other."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Report a code that the response cannot hold or that would be false."""
        yield from super().conflicts(written)
        code = written.get("code")
        certain = code in get_args(ErrorName) and code not in OPEN_CODES
        if certain and written.get("at", "both") != "request":
            yield Conflict(
                ("at",) if "at" in written else ("code",),
                "at: response allows only codes that leave the outcome open"
                f" ({', '.join(OPEN_CODES)}); write at: request",
            )
        api = api_matched(written)
        with_codes = [each.name for each in APIS.values() if each.has_code]
        if api in (*APIS, ALL_APIS) and api not in with_codes:
            yield Conflict(
                ("match", "api"),
                f"{api} has no field for an error code; write one of {', '.join(with_codes)}",
            )
        if written.get("empty") is True:
            text = "a request without partitions has no field for an error code; remove empty"
            yield Conflict(("empty",), text)

    def action(self, at: CutPoint) -> Action:
        """Answer with the code."""
        return Action(code=self.code)
