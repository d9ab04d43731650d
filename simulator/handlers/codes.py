"""Answers that a fault gives instead of the server: how an error code gets into them.

An ``error`` fault concerns one partition of a request that names any. The other entries are applied
as ever, and the answer still mirrors the request entry by entry, since clients pair results by
position. An API without partitions is answered as a whole.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from wire.error_code import Code, ErrorCode, Other, PartitionFull, RequestTimedOut

INJECTED = "injected by a fault"
"""What an answer says for a person, where it has room for that."""


def code_of(name: str, request: Any, target: tuple[str, int] | None) -> ErrorCode:
    """The error code of that name, its fields filled in from the request that it answers."""
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
    """How the answers of one API say an error code."""

    @abstractmethod
    def remaining(self, request: Any, target: tuple[str, int] | None) -> Any | None:
        """What is still to be applied of a request that is refused, or None for nothing.

        Args:
            request: the whole request.
            target: the partition that is refused, or None for all of the request.
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
        """The answer to a request that is refused.

        Args:
            request: the whole request.
            response: the answer to what remained of it, or None if nothing did.
            target: the partition that is refused, or None for all of the request.
            code: what is answered for it.
            version: the API version of the request.

        Raises:
            WireError: the request does not decode.
        """

    @abstractmethod
    def with_code(self, response: Any, target: tuple[str, int] | None, code: ErrorCode) -> Any:
        """The answer to a request that was applied, changed to say a code."""


@dataclass(frozen=True, slots=True)
class CodeInEntry(Codes):
    """A code in each entry of one partition: requests and answers have ``topics``, and below each
    of them ``partitions`` with a ``partition_index``, the answers an ``error_code``, too.
    """

    entry: Callable[..., Any]
    """Makes an entry of an answer."""
    offset: str | None = None
    """The field of an entry that holds an offset, if there is one."""

    def remaining(self, request: Any, target: tuple[str, int] | None) -> Any:
        """The same request less the entries of one partition."""
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
        """The answer to what remained, with the entries that were left out refused."""
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
        """The same answer with the code in the entries of one partition."""
        # A timeout means that the records are stored, so it alone comes with their offset.
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
    """One code for the whole answer, in its ``error_code``."""

    answer: Callable[[Any, int, ErrorCode], Any]
    """Makes the answer to a request that is not applied, of the request, its version and the code;
    raises WireError if the request does not decode."""

    def remaining(self, request: Any, target: tuple[str, int] | None) -> None:
        """Nothing."""

    def refused(
        self,
        request: Any,
        response: Any,
        target: tuple[str, int] | None,
        code: ErrorCode,
        version: int,
    ) -> Any:
        """The answer to a request of which nothing was applied."""
        return self.answer(request, version, code)

    def with_code(self, response: Any, target: tuple[str, int] | None, code: ErrorCode) -> Any:
        """The same answer with the code."""
        return replace(response, error_code=code)
