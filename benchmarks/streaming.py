"""``python -m benchmarks.streaming``: stored records streamed to a raw reader.

The simulator, a process with its usual command, stores records of 100 bytes in full batches. Then a
blocking socket reads them as a consumer does: StreamFetch with the official ``max_bytes``, and an
UpdateOffsets for each response. The reader looks at the header of each batch only, because decoding
records would measure the client. The log is read in part and as a whole, in interleaved rounds: the
ratio of both times tells whether the cost is linear in what is delivered.
"""

import os
import platform
import socket
import sys
from time import perf_counter  # noqa: TID251  a benchmark measures real time

from rich.console import Console

from benchmarks.figures import Figure, table_of
from benchmarks.load import TOPIC, Load, prepare
from benchmarks.server import COMMAND, BenchmarkError, running_server
from wire.api import STREAM_FETCH, UPDATE_OFFSETS
from wire.api.stream_fetch import OffsetUpdate, StreamFetchRequest, UpdateOffsetsRequest
from wire.codec import decode
from wire.connection import ClientConnection
from wire.record_set import whole_batches

ROUNDS = 5
"""The number of rounds, half a minute together."""

FACTOR = 10
"""How many times more records the whole log has than the part of it."""

RECORDS_MIN = 3_000_000
"""The log is filled up to this number: one read of it takes a second or two."""

SOCKET_S_MAX = 10
"""The limit in seconds on connecting."""

FIGURES = (
    Figure(f"1/{FACTOR} log, records/s", "", 0),
    Figure("log, records/s", "", 0, target=2_000_000),
    Figure("log, MB/s", "", 0),
    Figure("time of log to 1/10", "", 1, target=11, most=True),
)


class RawReader:
    """Reads the log of one partition over a connection of its own.

    Args:
        address: of the SPU.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, SOCKET_S_MAX)
        prepare(self._socket)
        self._wire = ClientConnection("benchmark")
        self._buffer = bytearray(64 * 1024)
        self._socket.sendall(self._wire.hello())
        self._wire.welcome(bytes(self._frame()[4:]))

    def read(self, until: int) -> tuple[float, int]:
        """Stream from the beginning until an offset; return seconds and bytes received."""
        received = offset = 0
        start = perf_counter()
        request = StreamFetchRequest(topic=TOPIC, fetch_offset=0)
        stream_id, frame = self._wire.request(STREAM_FETCH, request, STREAM_FETCH.max_version)
        self._socket.sendall(frame)
        while offset < until:
            answer = self._frame()
            received += len(answer)
            if int.from_bytes(answer[:4], "big") != stream_id:
                continue  # the answer to an update
            response = decode(STREAM_FETCH.response, bytes(answer[4:]), STREAM_FETCH.max_version)
            if response.partition.error_code:
                raise BenchmarkError(f"the stream ended: {response.partition.error_code}")
            before = offset
            for header, _ in whole_batches(response.partition.records):
                if header.base_offset != offset:
                    raise BenchmarkError(f"a batch at {header.base_offset}, not at {offset}")
                offset += header.record_count
            if offset == before:
                raise BenchmarkError(f"a response without a batch at {offset}")
            self._update(response.stream_id, offset)
        return perf_counter() - start, received

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def _update(self, stream: int, offset: int) -> None:
        update = UpdateOffsetsRequest(offsets=[OffsetUpdate(offset=offset, session_id=stream)])
        self._socket.sendall(
            self._wire.request(UPDATE_OFFSETS, update, UPDATE_OFFSETS.max_version)[1]
        )

    def _frame(self) -> memoryview:
        """Receive the next answer behind its length; it is valid until the next call."""
        length = int.from_bytes(self._filled(4), "big")
        return self._filled(length)

    def _filled(self, size: int) -> memoryview:
        if len(self._buffer) < size:
            self._buffer = bytearray(size)
        view = memoryview(self._buffer)[:size]
        filled = 0
        while filled < size:
            count = self._socket.recv_into(view[filled:])
            if not count:
                raise BenchmarkError("the simulator closed the connection")
            filled += count
        return view


def main() -> None:
    """Fill a log, stream it, and print a table."""
    console = Console(highlight=False, soft_wrap=True)
    samples = []
    with running_server() as server:
        load = Load(server.spu_address)
        while load.records < RECORDS_MIN:
            load.batched()
        for number in range(1, ROUNDS + 1):
            with console.status(f"round {number} of {ROUNDS}"):
                part_s, part = _streamed(server.spu_address, load.records // FACTOR)
                whole_s, whole = _streamed(server.spu_address, load.records)
            # A response goes beyond the end of the part: times are compared by the byte.
            factor = FACTOR * (whole_s / whole) / (part_s / part)
            records_s = load.records / whole_s
            samples.append((records_s * FACTOR / factor, records_s, whole / whole_s / 1e6, factor))
        server.stop()
    by_figure = zip(*samples, strict=True)
    console.print(table_of(zip(FIGURES, by_figure, strict=True), ROUNDS))
    console.print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores; "
        f"python {COMMAND}\n{load.records:,} records stored, each read in every round"
    )


def _streamed(address: tuple[str, int], until: int) -> tuple[float, int]:
    reader = RawReader(address)
    try:
        return reader.read(until)
    finally:
        reader.close()


if __name__ == "__main__":
    try:
        main()
    except (BenchmarkError, OSError) as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
