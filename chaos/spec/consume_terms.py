"""What a consumer reads: the keys of the step ``consume``."""

from typing import Annotated, Literal

from pydantic import Field

from simulator.documents.quantities import Count, Duration, Index, Size
from simulator.documents.strict_model import Strict

NAME_CHARS_MAX = 60
"""The longest name of a consumer, so that a line of a report holds it."""

_Name = Annotated[str, Field(pattern=r"^[a-z0-9-]+$", max_length=NAME_CHARS_MAX)]


class ConsumeTerms(Strict):
    """Where a consumer begins, and when it ends."""

    consumer: _Name = "a"
    """The name of the consumer; the client id of its connections is ``consumer-`` and this
    name."""
    partition: Literal["all"] | Index = "all"
    """The partition."""
    start: Literal["beginning", "end", "absolute"] = "beginning"
    """Where it begins: at the beginning of a partition, behind its last committed record, or at the
    offset 0."""
    offset: Index = 0
    """How many records behind ``start`` it begins; before it for ``end``."""
    consumer_id: _Name | None = None
    """The id under which it stores after each response how far it has read; it begins behind the
    offset that is stored there, if there is one."""
    count: Count | None = None
    """How many records it reads, in all partitions together; by default all that are committed when
    it begins."""
    isolation: Literal["read-uncommitted", "read-committed"] = "read-uncommitted"
    """Whether it reads records before they are committed."""
    max_bytes: Annotated[Size, Field(ge=1)] = 1_048_890
    """The most bytes of a response; a consumer asks for more where a batch does not fit."""
    within: Duration = 2.0
    """How long it may take; it then ends with what it has read."""
