"""What an API is: a key, the versions that we speak, and a message each way."""

from dataclasses import dataclass
from typing import Generic, TypeVar

Q = TypeVar("Q")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Api(Generic[Q, R]):
    """One API of the protocol, in the range of versions that this project implements."""

    name: str
    """The word for it in faults, journals and printed lines, for example ``produce``."""
    key: int
    """The number that names it in a request's header; SC and SPU have separate numbers."""
    min_version: int
    max_version: int
    request: type[Q]
    response: type[R]
