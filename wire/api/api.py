"""The declaration of an API: a key, the supported versions, a request and a response.

An ``Api`` registers itself in ``APIS``. In addition to its messages it declares facts that faults
need before any server exists: which servers offer it, whether its requests name partitions, and
whether its responses have a field for an error code.
"""

from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from wire.registry import Registry

Q = TypeVar("Q")
R = TypeVar("R")

Server = Literal["sc", "spu", "any"]
"""The servers that offer an API; ``any`` is both."""


@dataclass(frozen=True, slots=True)
class Api(Generic[Q, R]):
    """One API of the protocol with the range of versions that this project implements.

    Raises:
        ValueError: another API has the name.
    """

    name: str
    """The name in faults, journals and printed lines, for example ``produce``."""
    key: int
    """The number in the header of a request; SC and SPU number their APIs separately."""
    min_version: int
    max_version: int
    request: type[Q]
    response: type[R]
    server: Server
    names_partitions: bool = False
    """Whether a request has entries, each for one partition of a topic."""
    listed: bool = True
    """Whether a server lists it in ApiVersions; clients call an unlisted one all the same."""
    known_from: int = 0
    """The lowest version whose fields are declared; a request in a lower one is not served. Clients
    send versions below ``min_version``, too, and a real server decodes them."""
    has_code: bool = False
    """Whether a fault can put an error code into the response: into one entry where requests name
    partitions, else into the response as a whole."""
    repeats: bool = False
    """Whether clients send few different requests, over and over, so that a server decodes equal
    ones once; no handler changes what it gets."""
    declared: bool = True
    """Whether this project declares the messages; False for an API of which only the key is known,
    which is not registered."""

    def __post_init__(self) -> None:
        if self.declared:
            APIS.add(self.name, self)

    def knows(self, version: int) -> bool:
        """Return whether the fields of a version are declared."""
        return self.known_from <= version <= self.max_version

    def offered_by(self, server: Literal["sc", "spu"]) -> bool:
        """Return whether a server of this type offers the API."""
        return self.server in (server, "any")


APIS: Registry[Api[Any, Any]] = Registry(
    "API",
    order=("produce", "fetch", "stream-fetch", "api-versions", "watch", "list", "create", "delete"),
)
"""Every API, by name."""
