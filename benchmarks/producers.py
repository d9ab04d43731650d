"""``python -m benchmarks.producers``: our producer beside the official clients, in two minutes.

Each round starts a simulator and all clients, as separate processes on loopback, and measures each
case with one client right after the other; the order changes from round to round, so that other
load on the machine affects all alike. At the end of a round the simulator's summary must contain
every record once. A client that does not answer within its limit is killed, and then there are no
figures. The Rust client takes part where ``make rust`` has built it.

The simulator keeps every record, so that each byte of it is written to memory that the simulator
has not used before. On a virtual machine the first write to a page that the host has not backed yet
takes several times as long as one to a page that another process has used. Whether a case gets such
pages would decide its figure: with records of 1 KiB it varied by a factor of three. Therefore the
benchmark first has the host back as much memory as a round needs.
"""

import gc
import json
import mmap
import os
import platform
import re
import statistics
import subprocess
import sys
import threading
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from time import perf_counter, time_ns  # noqa: TID251  a benchmark measures real time

from rich.console import Console
from rich.table import Table

from benchmarks.producing import TOPIC, Done, Task
from benchmarks.server import COMMAND, READY_S_MAX, BenchmarkError, Server
from chaos.drivers.kinds.official_rust import NOT_BUILT, PROGRAM, is_built
from producer.config import BATCH_QUEUE_SIZE, BATCH_SIZE, MAX_REQUEST_SIZE
from producer.delivery.accumulator import Accumulator, Limits
from wire.compression import Codec

ROUNDS = 6
"""Enough for a median of ratios, few enough for two minutes."""

SIZES = (100, 1024)

SENDING_S = 0.45
"""The time in seconds for which a client sends in one case of one round."""

BYTES_MAX = 80_000_000
"""What it sends at most: the 24 of a round stay below the simulator's 2 GiB for all logs."""

ROUND_BYTES = 24 * BYTES_MAX
"""What the records of a round take in the simulator at most."""

ANSWER_S_MAX = 10.0
"""The limit on a case in seconds; the official client may hang."""

RUN_S_MAX = 170.0
"""The limit on the whole run in seconds, also on a slow machine."""

SEND_TARGET, SEND_ALL_TARGET = 4.0, 2.5
"""The lowest accepted ratio of our speed to that of the Python client, in the median of rounds."""

RUST_TARGETS = {100: 1.6, 1024: 2.0}
"""By the size of records, the lowest accepted ratio of our speed to that of the Rust client, in
each round, with ``send_all`` and at-least-once."""

QUEUED_TARGET = 100
"""The most bytes of memory that a queued record may take beyond its own bytes."""

WIDTH = 120
"""The width of the table in columns, also in a pipe."""

OPEN_BATCH_BYTES = 8_000_000
"""The size of a batch that stays open for all records, which are separate objects until then."""


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table."""

    at_most_once: bool
    send_all: bool
    size: int

    @property
    def name(self) -> str:
        """The label in the table."""
        call = "send_all" if self.send_all else "send"
        return f"{call}, at-{'most' if self.at_most_once else 'least'}-once, {self.size} B"

    @property
    def task(self) -> Task:
        """The task of both clients."""
        bounds = (BYTES_MAX // self.size, SENDING_S)
        return Task(self.at_most_once, self.send_all, self.size, *bounds)


CASES = [
    Case(most, many, size) for many, most, size in product((False, True), (False, True), SIZES)
]

Samples = dict[tuple[Case, str], list[float]]


def _python(name: str) -> Callable[[str], list[str]]:
    return lambda address: [sys.executable, "-m", "benchmarks.producing", name, address]


COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "ours": _python("ours"),
    "Python": _python("official"),
    "Rust": lambda address: [str(PROGRAM), "bench", address],
}
"""How each client is started, given the address of the SC."""


class Client:
    """A running client.

    Args:
        name: which one.
        process: the process.
        deadline: when the whole run has to be over.
    """

    def __init__(self, name: str, process: "subprocess.Popen[str]", deadline: float) -> None:
        self._name = name
        self._process = process
        self._deadline = deadline

    def run(self, task: Task) -> Done:
        """Have it send the records of a task and return the result."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        seconds = min(ANSWER_S_MAX, max(self._deadline - perf_counter(), 0.0))
        with _killing(self._process, seconds):
            try:
                self._process.stdin.write(json.dumps(asdict(task)) + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                pass  # the process ended; the empty line below reports it
            line = self._process.stdout.readline()
        if not line:
            raise BenchmarkError(f"the {self._name} client failed at {task}")
        return Done(**json.loads(line))


@contextmanager
def _killing(process: "subprocess.Popen[str]", seconds: float) -> Iterator[None]:
    """Kill a process that does not answer in time; its end closes the pipe and ends the read."""
    watchdog = threading.Timer(seconds, process.kill)
    watchdog.daemon = True
    watchdog.start()
    try:
        yield
    finally:
        watchdog.cancel()


@contextmanager
def _simulator() -> Iterator[tuple[Server, str]]:
    """Start a simulator that ends with the block; yield it and the address of its SC."""
    command = [sys.executable, *COMMAND.split()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            with _killing(process, READY_S_MAX):
                line = process.stdout.readline()
            ready = re.match(r"ready sc=([\d.]+):(\d+) spu=([\d.]+):(\d+)", line)
            if ready is None:
                raise BenchmarkError("the simulator does not become ready")
            sc, spu = (ready[1], int(ready[2])), (ready[3], int(ready[4]))
            yield Server(process, sc, spu), f"{sc[0]}:{sc[1]}"
        finally:
            process.kill()


@contextmanager
def _client(name: str, address: str, deadline: float) -> Iterator[Client]:
    """Start a client that ends with the block."""
    with subprocess.Popen(
        COMMANDS[name](address), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Client(name, process, deadline)
        finally:
            process.kill()


def warm_memory() -> None:
    """Write to as much memory as a round needs, so that the host backs it."""
    populated = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_POPULATE", 0)
    mmap.mmap(-1, ROUND_BYTES, flags=populated).close()


def measure_round(names: Sequence[str], number: int, deadline: float, samples: Samples) -> int:
    """Measure every case with all clients; return the number of records sent and stored.

    Raises:
        BenchmarkError: a client failed, or the simulator holds another number of records.
    """
    sent = 0
    with _simulator() as (server, address):
        with ExitStack() as stack:
            clients = {
                name: stack.enter_context(_client(name, address, deadline)) for name in names
            }
            for case in CASES:
                for name in names if number % 2 else reversed(names):
                    done = clients[name].run(case.task)
                    samples[case, name].append(done.records / done.seconds)
                    sent += done.records + done.before
        summary = server.stop()
    stored = summary["partitions"][f"{TOPIC}/0"]["stored"]
    if stored != sent or summary["unanswered_records"]:
        raise BenchmarkError(f"{sent} records were sent, the summary is {summary}")
    return sent


def queued_bytes(size: int, batch_size: int) -> float:
    """Return the bytes that a queued record takes beyond its value, without its output."""
    limits = Limits(
        batch_size, max(MAX_REQUEST_SIZE, 2 * batch_size), BATCH_QUEUE_SIZE, Codec.NONE, 15
    )
    accumulator = Accumulator(TOPIC, 0, limits, time_ns, perf_counter, lambda: None)
    records, room = 0, OPEN_BATCH_BYTES if batch_size > BATCH_SIZE else MAX_REQUEST_SIZE * 100
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        while room > 2 * size and accumulator.append(None, bytes(size)) is not None:
            records += 1
            room -= size + 16
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return (after - before) / records - size


def _rates_table(samples: Samples, peer: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(f"{ROUNDS} interleaved rounds, 1000 records/s", no_wrap=True)
    for column in ("ours", "range", f"official {peer}", "range", "ratio", "range", "target"):
        table.add_column(column, justify="right", no_wrap=True)
    for case in CASES:
        ours, theirs = samples[case, "ours"], samples[case, peer]
        ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
        table.add_row(
            case.name,
            *_shown([rate / 1000 for rate in ours], 0),
            *_shown([rate / 1000 for rate in theirs], 0),
            *_shown(ratios, 2),
            _judged(case, peer, ratios),
        )
    return table


def _judged(case: Case, peer: str, ratios: list[float]) -> str:
    """Return the target of a case beside a client, and whether it is met; empty without one."""
    if peer == "Python":
        target, ratio, when = SEND_TARGET, statistics.median(ratios), ""
        if case.send_all:
            target = SEND_ALL_TARGET
    elif case.send_all and not case.at_most_once:
        target, ratio, when = RUST_TARGETS[case.size], min(ratios), "each "
    else:
        return ""
    return f"{when}>= {target:g} {'met' if ratio >= target else 'missed'}"


def _shown(values: list[float], digits: int) -> tuple[str, str]:
    median, least, most = (f"{f(values):,.{digits}f}" for f in (statistics.median, min, max))
    return median, f"{least}-{most}"


def _memory_table() -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("a queued record beyond its own bytes, no outputs kept", no_wrap=True)
    for column in ("bytes", "target"):
        table.add_column(column, justify="right", no_wrap=True)
    for (name, batch_size), size in product(
        (("a full queue of 16 KiB", BATCH_SIZE), ("one open batch of 8 MB", OPEN_BATCH_BYTES)),
        SIZES,
    ):
        spent = queued_bytes(size, batch_size)
        verdict = "met" if spent <= QUEUED_TARGET else "missed"
        table.add_row(f"{name}, {size} B", f"{spent:.1f}", f"<= {QUEUED_TARGET} {verdict}")
    return table


def main() -> None:
    """Measure everything and print two tables."""
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, WIDTH)
    names = [name for name in COMMANDS if name != "Rust" or is_built()]
    deadline = perf_counter() + RUN_S_MAX
    samples: Samples = defaultdict(list)
    sent = 0
    warm_memory()
    for number in range(1, ROUNDS + 1):
        with console.status(f"round {number} of {ROUNDS}"):
            sent += measure_round(names, number, deadline, samples)
    for peer in names[1:]:
        console.print(_rates_table(samples, peer))
        console.print()
    if "Rust" not in names:
        console.print(f"not measured: {NOT_BUILT}\n")
    console.print(_memory_table())
    console.print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores; "
        f"python {COMMAND}\n"
        f"{sent:,} records sent, {sent:,} stored, each once"
    )


if __name__ == "__main__":
    try:
        main()
    except (BenchmarkError, OSError) as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
