"""Responses with the error code of a fault.

An ``error`` fault concerns one partition of a request that names partitions. The other entries are
applied normally, and the response still mirrors the request entry by entry, because clients pair
results by position. For an API without partitions the code concerns the whole response.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from wire.error_code import Code, ErrorCode, Other, PartitionFull, RequestTimedOut

INJECTED = "injected by a fault"
"""The error message of a response that has a field for one."""


def code_of(name: str, request: Any, target: tuple[str, int] | None) -> ErrorCode:
    """Return the error code of that name, with fields taken from the request."""
    match name:
        case "Other":
            return Other(text=INJECTED)
        case "RequestTimedOut":
            return RequestTimedOut(timeout_ms=getattr(request, "timeout_ms", None) or 0)
        case "PartitionFull":
            topic, partition = target or ("", 0)
            return PartitionFull(topic=topic, partition=partition)
        case _:
            words = "".join("_" + c if c.isupper() else c.upper() for c in name)
            return Code[words.lstrip("_")]


class Codes(ABC):
    """Puts error codes into the responses of one API."""

    @abstractmethod
    def remaining(self, request: Any, target: tuple[str, int] | None) -> Any | None:
        """Return the part of a refused request that is still to be applied, or None.

        Args:
            request: the whole request.
            target: the partition that is refused, or None for the whole request.
        """

    @abstractmethod
    def refused(
        self,
        request: Any,
        response: Any,
        target: tuple[str, int] | None,
        code: ErrorCode,
        version: int,
    ) -> Any:
        """Return the response to a refused request.

        Args:
            request: the whole request.
            response: the response to the remaining part, or None if nothing remained.
            target: the partition that is refused, or None for the whole request.
            code: the error code for the refused part.
            version: the API version of the request.

        Raises:
            WireError: the request does not decode.
        """

    @abstractmethod
    def with_code(self, response: Any, target: tuple[str, int] | None, code: ErrorCode) -> Any:
        """Return the response to an applied request, with its result replaced by a code."""


@dataclass(frozen=True, slots=True)
class CodeInEntry(Codes):
    """Puts a code into each entry of one partition.

    Requests and responses have ``topics`` with ``partitions``. Each of these has a
    ``partition_index``, and those of a response have an ``error_code``.
    """

    entry: Callable[..., Any]
    """Creates an entry of a response."""
    offset: str | None = None
    """The field of an entry that holds an offset, or None."""

    def remaining(self, request: Any, target: tuple[str, int] | None) -> Any:
        """Return the request without the entries of one partition."""
        topics = [
            replace(
                topic,
                partitions=[
                    p for p in topic.partitions if (topic.name, p.partition_index) != target
                ],
            )
            for topic in request.topics
        ]
        return replace(request, topics=topics)

    def refused(
        self,
        request: Any,
        response: Any,
        target: tuple[str, int] | None,
        code: ErrorCode,
        version: int,
    ) -> Any:
        """Return the response to the remaining part, with refused entries added in place."""
        topics = []
        for asked, answered in zip(request.topics, response.topics, strict=True):
            applied = iter(answered.partitions)
            partitions = [
                self.entry(partition_index=p.partition_index, error_code=code)
                if (asked.name, p.partition_index) == target
                else next(applied)
                for p in asked.partitions
            ]
            topics.append(replace(answered, partitions=partitions))
        return replace(response, topics=topics)

    def with_code(self, response: Any, target: tuple[str, int] | None, code: ErrorCode) -> Any:
        """Return the response with the code in the entries of one partition."""
        # A timeout means that the records are stored, so only a timeout keeps the offset.
        hides = self.offset is not None and not isinstance(code, RequestTimedOut)
        hidden = {self.offset: 0} if self.offset is not None and hides else {}
        topics = [
            replace(
                topic,
                partitions=[
                    replace(p, error_code=code, **hidden)
                    if (topic.name, p.partition_index) == target
                    else p
                    for p in topic.partitions
                ],
            )
            for topic in response.topics
        ]
        return replace(response, topics=topics)


@dataclass(frozen=True, slots=True)
class CodeOfAnswer(Codes):
    """Puts one code into the ``error_code`` of the whole response."""

    answer: Callable[[Any, int, ErrorCode], Any]
    """Creates the response to a request that is not applied, from the request, its version and the
    code; raises WireError if the request does not decode."""

    def remaining(self, request: Any, target: tuple[str, int] | None) -> None:
        """Return None: no part of the request is applied."""

    def refused(
        self,
        request: Any,
        response: Any,
        target: tuple[str, int] | None,
        code: ErrorCode,
        version: int,
    ) -> Any:
        """Return the response to a request that was not applied."""
        return self.answer(request, version, code)

    def with_code(self, response: Any, target: tuple[str, int] | None, code: ErrorCode) -> Any:
        """Return the response with the code."""
        return replace(response, error_code=code)
