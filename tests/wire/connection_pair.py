"""Both halves of one connection, driven against each other without IO, as h11's tests do it."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from wire.api import APIS, Api
from wire.connection import ClientConnection, RequestFrame, ServerConnection

SC = {api.key: api for api in APIS.values() if api.offered_by("sc")}
SPU = {api.key: api for api in APIS.values() if api.offered_by("spu")}


def pieces(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """The same bytes, cut at these positions."""
    for start, end in pairwise((0, *sorted(cuts), len(data))):
        yield data[start:end]


class ConnectionPair:
    """A client and a server, and what each of them got out of the other's bytes."""

    def __init__(self, apis: dict[int, Api[Any, Any]] = SPU, client_id: str = "test") -> None:
        self.client = ClientConnection(client_id)
        self.server = ServerConnection(apis)

    def to_server(self, data: bytes, cuts: Sequence[int] = ()) -> list[RequestFrame]:
        return [frame for piece in pieces(data, cuts) for frame in self.server.receive(piece)]

    def to_client(self, data: bytes, cuts: Sequence[int] = ()) -> list[tuple[int, bytes]]:
        return [answer for piece in pieces(data, cuts) for answer in self.client.receive(piece)]
