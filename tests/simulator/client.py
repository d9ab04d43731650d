"""A plain client for tests: real frames over any stream, one request or many at once."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import trio

from wire.api import PRODUCE, Api
from wire.api.api_versions import ApiVersionsResponse
from wire.api.produce import (
    READ_UNCOMMITTED,
    PartitionRecords,
    PartitionResult,
    ProduceRequest,
    TopicRecords,
)
from wire.batch import encode_batch, encode_record
from wire.codec import decode
from wire.compression import Codec
from wire.connection import ClientConnection

Q = TypeVar("Q")
R = TypeVar("R")

NOW_MS = 1_700_000_000_000


def batch(*values: bytes, codec: Codec = Codec.NONE) -> bytes:
    """One batch of records without keys."""
    records = [encode_record(None, value, index, 0) for index, value in enumerate(values)]
    return encode_batch(records, first_timestamp_ms=NOW_MS, max_timestamp_ms=NOW_MS, codec=codec)


def produce_request(
    *entries: tuple[str, int, bytes], acks: int = READ_UNCOMMITTED, timeout_ms: int = 1500
) -> ProduceRequest:
    """A request with one entry for each topic, partition and record set, in this order."""
    return ProduceRequest(
        acks=acks,
        timeout_ms=timeout_ms,
        topics=[
            TopicRecords(
                name=topic, partitions=[PartitionRecords(partition_index=index, records=records)]
            )
            for topic, index, records in entries
        ],
    )


class Client:
    """One connection to an SC or an SPU."""

    def __init__(self, stream: trio.abc.HalfCloseableStream, client_id: str = "test") -> None:
        self.stream = stream
        self.wire = ClientConnection(client_id)
        self.offered: ApiVersionsResponse
        self._answers: list[tuple[int, bytes]] = []

    async def hello(self) -> "Client":
        await self.stream.send_all(self.wire.hello())
        self.offered = self.wire.welcome((await self.answer())[1])
        return self

    async def answer(self) -> tuple[int, bytes]:
        """The next answer of any request; raises EOFError where the connection ends instead."""
        while not self._answers:
            data = await self.stream.receive_some()
            if not data:
                raise EOFError
            self._answers += self.wire.receive(bytes(data))
        return self._answers.pop(0)

    async def send(self, api: Api[Q, R], body: Q, version: int | None = None) -> int:
        version = self.wire.version_of(api) if version is None else version
        correlation_id, frame = self.wire.request(api, body, version)
        await self.stream.send_all(frame)
        return correlation_id

    async def call(self, api: Api[Q, R], body: Q, version: int | None = None) -> R:
        version = self.wire.version_of(api) if version is None else version
        correlation_id = await self.send(api, body, version)
        answered, data = await self.answer()
        assert answered == correlation_id
        return decode(api.response, data, version)

    async def produce(
        self, topic: str, partition: int, *values: bytes, **options: Any
    ) -> PartitionResult:
        """Produce one batch to one partition."""
        request = produce_request((topic, partition, batch(*values)), **options)
        (result,) = (await self.call(PRODUCE, request)).topics[0].partitions
        return result

    async def answers_within(self, seconds: float) -> list[tuple[int, bytes]]:
        """The answers that arrive in a time, to its end or to that of the connection."""
        found = []
        with trio.move_on_after(seconds):
            while True:
                try:
                    found.append(await self.answer())
                except (EOFError, trio.BrokenResourceError):
                    break
        return found


Connect = Callable[[str], Awaitable[Client]]
"""Connects over TCP to an address and greets; the fixture ``connect`` closes what it opened."""
