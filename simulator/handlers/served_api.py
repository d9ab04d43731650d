"""An endpoint: an API, the handler that serves it, and what faults and events must know about it.

Each module of this package registers its endpoint in ``SERVED_APIS``. Which servers offer it, in
which versions, whether its requests name partitions and whether its answers have a place for an
error code are facts of the protocol and stand in the ``Api``; here stands how.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from simulator.handlers.codes import Codes
from simulator.handlers.context import Context
from wire.api import Api
from wire.codec.types import Buffer
from wire.registry import Registry

PartitionName: TypeAlias = tuple[str, int]
"""A topic and the index of one of its partitions."""

Carried: TypeAlias = tuple[tuple[str, int, Buffer], ...]
"""What a request brings to be stored, entry by entry: topic, partition, and batches."""

Handler: TypeAlias = Callable[[Any, Context], Any]
"""Applies a request and gives its response, or a generator that waits before it does."""


def _nothing(request: Any) -> tuple[()]:
    return ()


def _unaltered(request: Any, partition: PartitionName | None, u: float) -> Any:
    return request


def named_by(request: Any) -> tuple[PartitionName, ...]:
    """The partitions of a request that has ``topics`` and below each of them ``partitions``."""
    return tuple((t.name, p.partition_index) for t in request.topics for p in t.partitions)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedApi:
    """How a server answers one API.

    Raises:
        ValueError: what is given does not fit what the API says of itself.
    """

    api: Api[Any, Any]
    handle: Handler
    partitions: Callable[[Any], Sequence[PartitionName]] = _nothing
    """The partition of each entry of a request, in its order."""
    carried: Callable[[Any], Carried] = _nothing
    """What a request brings to be stored, entry by entry: topic, partition, and batches."""
    altered: Callable[[Any, PartitionName | None, float], Any] = _unaltered
    """The same request with one bit flipped among the records that it brings for a partition; the
    number in [0, 1) says which."""
    codes: Codes | None = None
    """How a fault puts an error code into an answer."""

    def __post_init__(self) -> None:
        if self.api.names_partitions != (self.partitions is not _nothing):
            raise ValueError(f"{self.api.name}: partitions= goes with an API that names_partitions")
        if self.api.has_code != (self.codes is not None):
            raise ValueError(f"{self.api.name}: codes= goes with an API that has_code")


SERVED_APIS: Registry[ServedApi] = Registry("endpoint")
"""Every endpoint, by the name of its API."""


def register_api(served_api: ServedApi) -> None:
    """Let the servers that offer the API answer it.

    Raises:
        ValueError: the API has an endpoint already, or a server has its key.
    """
    for other in SERVED_APIS.values():
        servers = {served_api.api.server, other.api.server}
        if other.api.key == served_api.api.key and ("any" in servers or len(servers) == 1):
            raise ValueError(f"{served_api.api.name} and {other.api.name} have one key")
    SERVED_APIS.add(served_api.api.name, served_api)


def served_by(server: Literal["sc", "spu"]) -> dict[int, ServedApi]:
    """What a server answers, by API key, in the order of the keys."""
    return _by_key(server, tuple(SERVED_APIS.values()))


@lru_cache
def _by_key(server: Literal["sc", "spu"], endpoints: tuple[ServedApi, ...]) -> dict[int, ServedApi]:
    offered = [each for each in endpoints if each.api.offered_by(server)]
    return {each.api.key: each for each in sorted(offered, key=lambda each: each.api.key)}
