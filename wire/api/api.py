"""What an API is: a key, the versions that we speak, and a message each way.

An ``Api`` registers itself in ``APIS``. What it declares besides its messages are facts of the
protocol that faults must know before any server exists: which servers offer it, whether its
requests name partitions, and whether its responses have a place for an error code.
"""

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from wire.registry import Registry

Q = TypeVar("Q")
R = TypeVar("R")

Server = Literal["sc", "spu", "any"]
"""Which servers offer an API; ``any`` is both."""


@dataclass(frozen=True, slots=True)
class Api(Generic[Q, R]):
    """One API of the protocol, in the range of versions that this project implements.

    Raises:
        ValueError: another API has the name.
    """

    name: str
    """The word for it in faults, journals and printed lines, for example ``produce``."""
    key: int
    """The number that names it in a request's header; SC and SPU have separate numbers."""
    min_version: int
    max_version: int
    request: type[Q]
    response: type[R]
    server: Server
    names_partitions: bool = False
    """Whether a request has entries, each for one partition of a topic."""
    has_code: bool = False
    """Whether a fault can put an error code into the response: into one entry where requests name
    partitions, else into the response as a whole."""

    def __post_init__(self) -> None:
        APIS.add(self.name, self)

    def offered_by(self, server: Literal["sc", "spu"]) -> bool:
        """Whether a server of this sort offers it."""
        return self.server in (server, "any")


APIS: Registry[Api[Any, Any]] = Registry(
    "API", order=("produce", "fetch", "api-versions", "watch", "list", "create", "delete")
)
"""Every API, by name."""
