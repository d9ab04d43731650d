"""What the command ``spu-producer`` does: read lines, send them, tell how it went.

Lines are read in a thread, because standard input may be anything that blocks. A signal (SIGINT,
SIGTERM, SIGHUP) ends the reading, then the producer has some seconds to deliver what it has, and
what is open after them is given up. A second signal gives up at once.
"""

import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace

import trio
from rich.console import Console
from rich.text import Text

from producer.client import Fluvio
from producer.config import TopicProducerConfig
from producer.errors import FlushError, FluvioError, NotFoundError, RecordTooLargeError
from producer.net.dialling import Dial, dial_tcp
from producer.output import DeliveryReport
from producer.producer import TopicProducer

INTERRUPTED_FLUSH_S = 5.0
"""How long an interrupted command goes on delivering: a person who presses Ctrl-C waits as long."""

READ_BYTES = 64 * 1024
"""What one read of standard input asks for: the size of a pipe."""

PROGRESS_EVERY_S = 0.2
"""How often the progress line changes."""

FAILURES_SHOWN_MAX = 10
"""Batches that were given up and are told one by one; the tally counts all of them."""

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that end the reading; SIGHUP only where it is not ignored, as under ``nohup``."""

STATUS_NOT_DELIVERED = 1
STATUS_BAD_INPUT = 2
STATUS_INTERRUPTED = 130
"""The exit statuses besides 0; 130 is what shells give to a command that SIGINT ended."""


@dataclass(frozen=True, slots=True)
class Job:
    """What the command line asks for."""

    topic: str
    address: str | None
    profile: str | None
    separator: bytes | None
    quiet: bool
    config: TopicProducerConfig


class LineError(FluvioError):
    """A line of the input cannot become a record, or none can be read; the text says why."""


class Reporter:
    """Everything that is printed, all of it on stderr.

    Args:
        quiet: whether only errors are.
    """

    def __init__(self, *, quiet: bool) -> None:
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.quiet = quiet
        self._failures = 0

    def delivered(self, report: DeliveryReport) -> None:
        """Tell of a batch that was given up; a delivery callback."""
        if report.error is None:
            return
        self._failures += 1
        if self._failures <= FAILURES_SHOWN_MAX:
            self.complain(f"{_records(report.records)} of {report.error}")
        elif self._failures == FAILURES_SHOWN_MAX + 1:
            self.complain("more were not delivered; the tally counts them")

    def complain(self, text: str) -> None:
        """Print one line about what went wrong."""
        shown = "".join(c if c.isprintable() else "?" for c in text)
        self.console.print(Text(f"producer: {shown}"))

    def tell(self, text: str) -> None:
        """Print one line, if anything but errors is wanted."""
        if not self.quiet:
            self.console.print(text)


class Run:
    """One run of the command.

    Args:
        job: what to do.
        fileno: the file descriptor to read lines from.
        dial: makes streams.
    """

    def __init__(self, job: Job, fileno: int, dial: Dial = dial_tcp) -> None:
        self._job = job
        self._fileno = fileno
        self._dial = dial
        self._reporter = Reporter(quiet=job.quiet)
        self._everything = trio.CancelScope()
        self._reading = trio.CancelScope()
        self._started = trio.current_time()
        self._producer: TopicProducer | None = None
        self._failure: FluvioError | None = None
        self._sent = 0
        self._interrupted = False

    async def to_the_end(self) -> int:
        """Do it all; returns the exit status.

        Raises:
            FluvioError: nothing could be sent at all.
        """
        hup_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        stopping = [n for n in STOPPING if n != signal.SIGHUP or not hup_ignored]
        # Open until the tally is printed: when it closes, signals that were not taken strike again.
        with trio.open_signal_receiver(*stopping) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey, signals)
                nursery.start_soon(self._show_progress)
                with self._everything:
                    try:
                        await self._connect_and_send()
                    except FluvioError as error:
                        self._failure = error
                nursery.cancel_scope.cancel()
            return self._conclude()

    async def _connect_and_send(self) -> None:
        job = self._job
        config = replace(job.config, callback=self._reporter.delivered)
        async with (
            Fluvio.connect(job.address, profile=job.profile, dial=self._dial) as fluvio,
            fluvio.topic_producer(job.topic, config) as self._producer,
        ):
            with self._reading:
                await self._send_lines(self._producer)

    async def _send_lines(self, producer: TopicProducer) -> None:
        separator, number = self._job.separator, 0
        async with aclosing(lines_of(self._fileno, self._job.config.max_request_size)) as lines:
            async for line in lines:
                number += 1
                key: bytes | None = None
                value = line
                if separator is not None:
                    key, found, value = line.partition(separator)
                    if not found:
                        shown = separator.decode(errors="replace")
                        raise LineError(f"line {number} has no separator {shown!r}")
                await producer.send(key, value)
                self._sent += 1

    # --- interrupts and progress

    async def _obey(self, signals: AsyncIterator[int]) -> None:
        async for _ in signals:
            if self._interrupted or self._producer is None:
                self._everything.cancel()
            self._interrupted = True
            self._reading.cancel()
            self._everything.deadline = trio.current_time() + INTERRUPTED_FLUSH_S

    async def _show_progress(self) -> None:
        console = self._reporter.console
        if self._reporter.quiet or not console.is_terminal:
            return
        with console.status("connecting") as status:
            while True:
                await trio.sleep(PROGRESS_EVERY_S)
                if self._producer is not None:
                    counters = self._producer.counters
                    status.update(
                        f"sent {self._sent}, acknowledged {counters.acknowledged}, "
                        f"failed {counters.failed}, retries {counters.retries}"
                    )

    # --- the end

    def _conclude(self) -> int:
        if self._producer is None:
            if self._failure is not None:
                raise self._failure
            return STATUS_INTERRUPTED
        if self._failure is not None and not isinstance(self._failure, FlushError):
            self._reporter.complain(str(self._failure))  # what a flush tells was told already
        counters = self._producer.counters
        missing = self._sent - counters.acknowledged
        if self._interrupted and missing:
            self._reporter.complain(f"interrupted, {_records(missing)} not delivered")
        self._reporter.tell(
            f"sent {self._sent}, acknowledged {counters.acknowledged}, failed {counters.failed}, "
            f"retries {counters.retries}, {trio.current_time() - self._started:.3f} seconds"
        )
        if self._interrupted:
            return STATUS_INTERRUPTED
        if isinstance(self._failure, LineError | RecordTooLargeError | NotFoundError):
            return STATUS_BAD_INPUT
        return STATUS_NOT_DELIVERED if missing or self._failure is not None else 0


async def lines_of(fileno: int, longest: int) -> AsyncGenerator[bytes, None]:
    """The lines of a file descriptor, without their ends; the last one may lack its own.

    A line ends with LF or with CR LF; a CR elsewhere belongs to its line.

    Args:
        fileno: what to read; it may block, or be non-blocking.
        longest: the most bytes in a line.

    Raises:
        LineError: a line is longer, or reading fails.
    """
    held, number = b"", 0
    while data := await _read(fileno):
        *whole, held = (held + data).split(b"\n")
        for line in whole:
            number += 1
            yield line.removesuffix(b"\r")
        if len(held) > longest:
            raise LineError(f"line {number + 1} is longer than {longest} bytes")
    if held:
        yield held


async def _read(fileno: int) -> bytes:
    try:
        while True:
            with suppress(BlockingIOError):  # another program may have made it non-blocking
                return await trio.to_thread.run_sync(
                    os.read, fileno, READ_BYTES, abandon_on_cancel=True
                )
            await trio.lowlevel.wait_readable(fileno)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise LineError(f"standard input cannot be read: {reason}") from error


def _records(count: int) -> str:
    return f"{count} record{'' if count == 1 else 's'}"
