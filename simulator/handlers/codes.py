"""Responses with the error code of a fault.

An ``error`` fault concerns the entries of one partition, or one of them, in a request that names
partitions. The other entries are applied normally, and the response still mirrors the request entry
by entry, because clients pair results by position. For an API without partitions the code concerns
the whole response.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain, compress, count
from operator import not_
from typing import Any

from simulator.faults.effects import StruckEntries
from wire.error_code import Code, ErrorCode, Other, PartitionFull, RequestTimedOut

INJECTED = "injected by a fault"
"""The error message of a response that has a field for one."""


def code_of(name: str, request: Any, target: StruckEntries | None) -> ErrorCode:
    """Return the error code of that name, with fields taken from the request."""
    match name:
        case "Other":
            return Other(text=INJECTED)
        case "RequestTimedOut":
            return RequestTimedOut(timeout_ms=getattr(request, "timeout_ms", None) or 0)
        case "PartitionFull":
            if target is None:
                return PartitionFull(topic="", partition=0)
            return PartitionFull(topic=target.topic, partition=target.partition)
        case _:
            words = "".join("_" + c if c.isupper() else c.upper() for c in name)
            return Code[words.lstrip("_")]


def concerned(topics: Sequence[Any], target: StruckEntries | None) -> list[list[bool]]:
    """Return, for each entry of each topic of a message, whether a fault concerns it."""
    position = count()
    return [
        [
            target is not None and target.cover(topic.name, entry.partition_index, next(position))
            for entry in topic.partitions
        ]
        for topic in topics
    ]


class Codes(ABC):
    """Puts error codes into the responses of one API."""

    @abstractmethod
    def remaining(
        self, request: Any, target: StruckEntries | None
    ) -> tuple[Any, Sequence[int]] | None:
        """Return the part of a refused request that is still to be applied, and the positions of
        its entries in the whole request; None if no part is.

        Args:
            request: the whole request.
            target: the entries that are refused, or None for the whole request.
        """

    @abstractmethod
    def refused(
        self,
        request: Any,
        response: Any,
        target: StruckEntries | None,
        code: ErrorCode,
        version: int,
    ) -> Any:
        """Return the response to a refused request.

        Args:
            request: the whole request.
            response: the response to the remaining part, or None if nothing remained.
            target: the entries that are refused, or None for the whole request.
            code: the error code for the refused part.
            version: the API version of the request.

        Raises:
            WireError: the request does not decode.
        """

    @abstractmethod
    def with_code(self, response: Any, target: StruckEntries | None, code: ErrorCode) -> Any:
        """Return the response to an applied request, with its result replaced by a code."""


@dataclass(frozen=True, slots=True)
class CodeInEntry(Codes):
    """Puts a code into entries.

    Requests and responses have ``topics`` with ``partitions``. Each of these has a
    ``partition_index``, and those of a response have an ``error_code``.
    """

    entry: Callable[..., Any]
    """Creates an entry of a response."""
    topic: Callable[..., Any]
    """Creates a topic of a response."""
    response: Callable[..., Any]
    """Creates a response."""
    offset: str | None = None
    """The field of an entry that holds an offset, or None."""

    def remaining(self, request: Any, target: StruckEntries | None) -> tuple[Any, Sequence[int]]:
        """Return the request without the entries that are refused."""
        refused = concerned(request.topics, target)
        topics = [
            replace(topic, partitions=[*compress(topic.partitions, map(not_, struck))])
            for topic, struck in zip(request.topics, refused, strict=True)
        ]
        kept = [n for n, struck in enumerate(chain.from_iterable(refused)) if not struck]
        return replace(request, topics=topics), kept

    def refused(
        self,
        request: Any,
        response: Any,
        target: StruckEntries | None,
        code: ErrorCode,
        version: int,
    ) -> Any:
        """Return the response to the remaining part, with refused entries added in place."""
        if response is None:
            empty = [self.topic(name=topic.name, partitions=[]) for topic in request.topics]
            response = self.response(topics=empty)
        topics = []
        for asked, answered, struck in zip(
            request.topics, response.topics, concerned(request.topics, target), strict=True
        ):
            applied = iter(answered.partitions)
            partitions = [
                self.entry(partition_index=p.partition_index, error_code=code)
                if refused
                else next(applied)
                for p, refused in zip(asked.partitions, struck, strict=True)
            ]
            topics.append(replace(answered, partitions=partitions))
        return replace(response, topics=topics)

    def with_code(self, response: Any, target: StruckEntries | None, code: ErrorCode) -> Any:
        """Return the response with the code in the entries that the fault concerns."""
        # A timeout means that the records are stored, so only a timeout keeps the offset.
        hides = self.offset is not None and not isinstance(code, RequestTimedOut)
        hidden = {self.offset: 0} if self.offset is not None and hides else {}
        topics = [
            replace(
                topic,
                partitions=[
                    replace(p, error_code=code, **hidden) if concerns else p
                    for p, concerns in zip(topic.partitions, struck, strict=True)
                ],
            )
            for topic, struck in zip(
                response.topics, concerned(response.topics, target), strict=True
            )
        ]
        return replace(response, topics=topics)


@dataclass(frozen=True, slots=True)
class CodeOfAnswer(Codes):
    """Puts one code into the ``error_code`` of the whole response."""

    answer: Callable[[Any, int, ErrorCode], Any]
    """Creates the response to a request that is not applied, from the request, its version and the
    code; raises WireError if the request does not decode."""

    def remaining(self, request: Any, target: StruckEntries | None) -> None:
        """Return None: no part of the request is applied."""

    def refused(
        self,
        request: Any,
        response: Any,
        target: StruckEntries | None,
        code: ErrorCode,
        version: int,
    ) -> Any:
        """Return the response to a request that was not applied."""
        return self.answer(request, version, code)

    def with_code(self, response: Any, target: StruckEntries | None, code: ErrorCode) -> Any:
        """Return the response with the code."""
        return replace(response, error_code=code)
