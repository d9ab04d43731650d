"""A served API: an API, its handler, and the functions that faults and events need.

Each module of this package registers its API in ``SERVED_APIS``. The facts of the protocol are in
the ``Api``: which servers offer it, in which versions, whether its requests name partitions and
whether its responses have a field for an error code. A ``ServedApi`` holds the implementation.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

from simulator.faults.effects import Forgery, StruckEntries
from simulator.handlers.codes import Codes
from simulator.handlers.context import Context
from wire.api import Api
from wire.codec.types import Buffer
from wire.registry import Registry

PartitionName: TypeAlias = tuple[str, int]
"""A topic and the index of one of its partitions."""

Carried: TypeAlias = tuple[tuple[str, int, Buffer], ...]
"""The batches that a request carries, entry by entry: topic, partition, and batches."""


class CommitTerms(NamedTuple):
    """When a client wants the answer to a request that stores records."""

    acks: int
    """Negative for an answer after the commit, else after the append."""
    timeout_ms: int
    """How long the server may wait for the commit of each entry."""


Handler: TypeAlias = Callable[[Any, Context], Any]
"""Applies a request and returns its response, or returns a generator that waits first."""


def _nothing(request: Any) -> tuple[()]:
    return ()


def _no_terms(request: Any) -> None:
    return None


def _unaltered(request: Any, target: StruckEntries | None, u: float) -> Any:
    return request


def _unforged(response: Any, target: StruckEntries | None, what: Forgery) -> Any:
    return response


def named_by(request: Any) -> tuple[PartitionName, ...]:
    """Return the partitions of a request that has ``topics`` with ``partitions``."""
    return tuple((t.name, p.partition_index) for t in request.topics for p in t.partitions)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ServedApi:
    """The implementation of one API; compared by identity.

    Raises:
        ValueError: the arguments contradict the declaration of the API.
    """

    api: Api[Any, Any]
    handle: Handler
    partitions: Callable[[Any], Sequence[PartitionName]] = _nothing
    """Returns the partition of each entry of a request, in order."""
    carried: Callable[[Any], Carried] = _nothing
    """Returns the batches that a request carries, entry by entry."""
    commit_terms: Callable[[Any], CommitTerms | None] = _no_terms
    """Returns when the client wants the answer to a request."""
    altered: Callable[[Any, StruckEntries | None, float], Any] = _unaltered
    """Returns the request with one bit flipped in the records of some entries; the number in [0, 1)
    selects the bit."""
    forged: Callable[[Any, StruckEntries | None, Forgery], Any] = _unforged
    """Returns a response that is false about some entries."""
    codes: Codes | None = None
    """Puts the error code of a fault into a response."""

    def __post_init__(self) -> None:
        if self.api.names_partitions != (self.partitions is not _nothing):
            raise ValueError(f"{self.api.name}: partitions= goes with an API that names_partitions")
        carries = self.carried is not _nothing or self.commit_terms is not _no_terms
        if carries and not self.api.names_partitions:
            raise ValueError(f"{self.api.name}: carried= goes with an API that names_partitions")
        if self.api.has_code != (self.codes is not None):
            raise ValueError(f"{self.api.name}: codes= goes with an API that has_code")


SERVED_APIS: Registry[ServedApi] = Registry("served API")
"""Every served API, by name."""


def register_api(served_api: ServedApi) -> None:
    """Register a served API; the servers that offer it answer it from now on.

    Raises:
        ValueError: the API is registered already, or another API of a server has the same key.
    """
    for other in SERVED_APIS.values():
        servers = {served_api.api.server, other.api.server}
        if other.api.key == served_api.api.key and ("any" in servers or len(servers) == 1):
            raise ValueError(f"{served_api.api.name} and {other.api.name} have one key")
    SERVED_APIS.add(served_api.api.name, served_api)


def served_by(server: Literal["sc", "spu"]) -> dict[int, ServedApi]:
    """Return the APIs that a server answers, by API key, in the order of the keys."""
    return _by_key(server, tuple(SERVED_APIS.values()))


def apis_of(server: Literal["sc", "spu"]) -> dict[int, Api[Any, Any]]:
    """Return the declarations of the APIs that a server answers, by API key."""
    return _apis_by_key(server, tuple(SERVED_APIS.values()))


@lru_cache
def _apis_by_key(
    server: Literal["sc", "spu"], served: tuple[ServedApi, ...]
) -> dict[int, Api[Any, Any]]:
    return {key: each.api for key, each in _by_key(server, served).items()}


@lru_cache
def _by_key(server: Literal["sc", "spu"], served: tuple[ServedApi, ...]) -> dict[int, ServedApi]:
    offered = [each for each in served if each.api.offered_by(server)]
    return {each.api.key: each for each in sorted(offered, key=lambda each: each.api.key)}
