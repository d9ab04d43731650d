"""Read back what a partition holds, over the wire, as any reader would.

The simulator's own summary counts records and does not name them; which of them are there, and at
which offsets, only the log itself tells.
"""

import trio

from wire.api import FETCH
from wire.api.fetch import FetchPartition, FetchRequest, FetchTopic
from wire.batch import Record, decode_batch, iter_batches
from wire.codec import WireError, decode
from wire.codec.types import Buffer
from wire.connection import ClientConnection
from wire.error_code import Code

RECEIVE_BYTES = 64 * 1024
"""What one read asks for."""

FETCH_BYTES_MAX = 1024 * 1024
"""What one answer may hold, the default of the API; a log is read in as many as it takes."""


async def read_log(address: str, topic: str, partition: int) -> list[Record]:
    """All records of a partition in the order of offsets, read from the SPU at ``address``.

    Raises:
        OSError: nobody listens there.
        trio.BrokenResourceError: the connection was lost.
        WireError: an answer does not decode, refuses, or never came because the connection ended.
    """
    host, _, port = address.rpartition(":")
    found: list[Record] = []
    async with await trio.open_tcp_stream(host, int(port)) as stream:
        wire = ClientConnection("chaos")
        await stream.send_all(wire.hello())
        wire.welcome(await _answer(stream, wire))
        while batches := await _fetch(stream, wire, topic, partition, len(found)):
            for _, batch in iter_batches(batches):
                found += decode_batch(batch)[1]
    return found


async def _fetch(
    stream: trio.abc.Stream, wire: ClientConnection, topic: str, partition: int, offset: int
) -> Buffer:
    """Whole batches from an offset on; nothing at the end of the log."""
    wanted = FetchPartition(
        partition_index=partition, fetch_offset=offset, max_bytes=FETCH_BYTES_MAX
    )
    request = FetchRequest(topics=[FetchTopic(name=topic, partitions=[wanted])])
    version = wire.version_of(FETCH)
    await stream.send_all(wire.request(FETCH, request, version)[1])
    answer = decode(FETCH.response, await _answer(stream, wire), version)
    fetched = answer.topics[0].partitions[0]
    if fetched.error_code is not Code.NONE:
        raise WireError(f"{topic}/{partition} cannot be read: {fetched.error_code}")
    return fetched.records


async def _answer(stream: trio.abc.Stream, wire: ClientConnection) -> bytes:
    """The body of the next answer; there is never more than one on its way."""
    while data := await stream.receive_some(RECEIVE_BYTES):
        # All of it, though there is one at most: an iterator left half-way would give it out again.
        if answers := [*wire.receive(bytes(data))]:
            return answers[0][1]
    raise WireError("the connection ended before the answer")
