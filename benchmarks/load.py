"""The load: produce requests from one plain blocking socket, and the check of their answers.

Decoding answers in the measured time would measure the client. Frames are therefore encoded before
that time, answers are only split in it, and afterwards every answer is decoded and every offset
compared: an offset that is not the next in the log would mean lost or duplicated records.
"""

import socket
import statistics
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice, pairwise
from time import perf_counter  # noqa: TID251  a benchmark measures real time

from benchmarks.server import BenchmarkError
from wire.api import PRODUCE
from wire.api.produce import PartitionRecords, ProduceRequest, ProduceResponse, TopicRecords
from wire.batch import EMPTY_BATCH_BYTES, encode_batch, encode_record
from wire.codec import decode
from wire.connection import ClientConnection

TOPIC = "greetings"
"""The topic that a simulator has by default."""

VALUE = bytes(range(100))
"""Every record: 100 bytes."""

BATCH_BYTES_MAX = 16 * 1024
"""The default of the official producer's ``batch_size``, as of ``max_request_size`` below."""

REQUEST_BYTES_MAX = 1024 * 1024

DEPTH = 4
"""Requests in flight when they are pipelined: enough that the server never waits for the client,
and few enough that their answers always fit into the socket's buffers."""

SINGLE_REQUESTS = 12_000
"""In one round with one request in flight: 120 beyond the 99th percentile, in a second or two."""

BATCHED_BYTES = 250_000_000
"""In one round of batched requests: six rounds stay below the simulator's 2 GiB for all logs."""

ROUND_S_MAX = 3.0
"""No round sends longer than this, however slow the machine."""

SOCKET_S_MAX = 10
"""The limit in seconds on the wait for an answer."""


def batch_of(count: int) -> bytes:
    """Return a batch with this number of records, as a producer encodes it."""
    records = [encode_record(None, VALUE, index, 0) for index in range(count)]
    now_ms = 1_700_000_000_000
    return encode_batch(records, first_timestamp_ms=now_ms, max_timestamp_ms=now_ms)


def full_batch() -> tuple[bytes, int]:
    """Return the largest batch that a producer sends by default, and its number of records."""
    size, count = EMPTY_BATCH_BYTES, 0
    while (size := size + len(encode_record(None, VALUE, count, 0))) <= BATCH_BYTES_MAX:
        count += 1
    return batch_of(count), count


def prepare(plain: socket.socket) -> None:
    """Set the options of a client's socket: blocking, with a limit, and without delay."""
    # With its own timeout, Python would call poll() before each call; the timeout of the
    # kernel costs nothing.
    plain.settimeout(None)
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        plain.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", SOCKET_S_MAX, 0))
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Load:
    """Sends to one SPU, over one connection at a time.

    Args:
        address: of the SPU.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self.records = 0
        """The number of records that were sent and, according to their answers, stored."""

    def at(self, address: tuple[str, int]) -> "Load":
        """Send to the same SPU at another address from now on, and return self."""
        self._address = address
        return self

    def one_in_flight(self) -> tuple[float, float, float]:
        """Send requests of one record one by one; return requests/s, p50 and p99 in ms."""
        with self._connected() as connection:
            (frame,) = connection.frames([batch_of(1)], 1)
            answers: list[bytes] = []
            times = [perf_counter()]
            end = times[0] + ROUND_S_MAX
            while len(answers) < SINGLE_REQUESTS and times[-1] < end:
                connection.send(frame)
                answers.append(connection.answer())
                times.append(perf_counter())
        self._check(answers, [1])
        spent_ms = sorted((b - a) * 1000 for a, b in pairwise(times))
        percentiles = statistics.quantiles(spent_ms, n=100)
        return len(answers) / (times[-1] - times[0]), percentiles[49], percentiles[98]

    def echoed(self, address: tuple[str, int]) -> float:
        """Send the frame of ``one_in_flight`` to a server that returns it; return requests/s."""
        with self._connected() as connection:
            (frame,) = connection.frames([batch_of(1)], 1)
        with socket.create_connection(address, SOCKET_S_MAX) as plain:
            prepare(plain)
            start, sent = perf_counter(), 0
            while sent < SINGLE_REQUESTS and perf_counter() < start + ROUND_S_MAX:
                plain.sendall(frame)
                missing = len(frame)
                while missing:
                    piece = plain.recv(missing)
                    if not piece:
                        raise BenchmarkError("the echo server closed the connection")
                    missing -= len(piece)
                sent += 1
            return sent / (perf_counter() - start)

    def batched(self) -> float:
        """Send large requests of full batches, a few in flight; return records/s."""
        batch, count = full_batch()
        with self._connected() as connection:
            batches = [batch] * (REQUEST_BYTES_MAX // len(batch))
            frames = connection.frames(batches, DEPTH)
            to_send = BATCHED_BYTES // len(frames[0])
            answers: list[bytes] = []
            in_flight = 0
            start = perf_counter()
            while len(answers) < to_send:
                expired = perf_counter() > start + ROUND_S_MAX
                if in_flight < DEPTH and len(answers) + in_flight < to_send and not expired:
                    connection.send(frames[(len(answers) + in_flight) % DEPTH])
                    in_flight += 1
                elif in_flight:
                    answers.append(connection.answer())
                    in_flight -= 1
                else:
                    break
            spent_s = perf_counter() - start
        self._check(answers, [count] * len(batches))
        return len(answers) * len(batches) * count / spent_s

    @contextmanager
    def _connected(self) -> Iterator["_Connection"]:
        with socket.create_connection(self._address, SOCKET_S_MAX) as plain:
            yield _Connection(plain)

    def _check(self, answers: list[bytes], counts: list[int]) -> None:
        """Check that every answer has the next offsets of the log, entry by entry."""
        for answer in answers:
            response = decode(ProduceResponse, answer, PRODUCE.max_version)
            results = [result for topic in response.topics for result in topic.partitions]
            if len(results) != len(counts):
                raise BenchmarkError(f"{len(results)} results for {len(counts)} entries")
            for result, count in zip(results, counts, strict=True):
                if result.error_code or result.base_offset != self.records:
                    raise BenchmarkError(f"not stored at {self.records}: {result}")
                self.records += count


class _Connection:
    """A greeted connection whose answers come in the order of the requests."""

    def __init__(self, plain: socket.socket) -> None:
        prepare(plain)
        self._socket = plain
        self._wire = ClientConnection("benchmark")
        self._held = b""
        self._expected: deque[bytes] = deque()
        """The correlation ids of the outstanding answers, as on the wire."""
        self.send(self._wire.hello())
        self._wire.welcome(self.answer())

    def frames(self, batches: list[bytes], count: int) -> list[bytes]:
        """So many frames of one request with an entry for each batch, as the official client
        makes it."""
        entries = [PartitionRecords(partition_index=0, records=batch) for batch in batches]
        request = ProduceRequest(topics=[TopicRecords(name=TOPIC, partitions=entries)])
        ids = iter(lambda: self._wire.request(PRODUCE, request, PRODUCE.max_version)[1], None)
        return list(islice(ids, count))

    def send(self, frame: bytes) -> None:
        """Send one whole frame."""
        self._expected.append(frame[8:12])  # behind the length, the key and the version
        self._socket.sendall(frame)

    def answer(self) -> bytes:
        """Return the body of the next answer."""
        held = self._held
        while len(held) < 4 or len(held) < (end := 4 + int.from_bytes(held[:4], "big")):
            piece = self._socket.recv(16 * 1024)
            if not piece:
                raise BenchmarkError("the simulator closed the connection")
            held += piece
        self._held = held[end:]
        if held[4:8] != self._expected.popleft():
            raise BenchmarkError("an answer to another request")
        return held[8:end]
