"""Waits until a simulator holds what was asked for, without a poll."""

from collections.abc import Callable, Iterator

import trio

from simulator.control.state import PartitionState
from simulator.events import Event
from simulator.journal import Sink

TIMEOUT_S = 5.0
"""The longest wait unless told otherwise, in seconds."""


async def until_stored(
    subscribe: Callable[[Sink], Callable[[], None]],
    partitions: Callable[[], list[PartitionState]],
    stored: int,
    topic: str | None,
    timeout_s: float,
) -> None:
    """Wait until partitions hold a number of records.

    Args:
        subscribe: gives all further events to a sink, and returns what ends that.
        partitions: the partitions at the moment.
        stored: the number of records.
        topic: counts the records of this topic only; None for all topics.
        timeout_s: the longest wait, in seconds.

    Raises:
        TimeoutError: they hold fewer at the end of it.
    """

    def held() -> Iterator[int]:
        for each in partitions():
            if topic in (None, each.topic):
                yield each.stored

    happened = trio.Event()

    def wake(_: Event) -> None:
        happened.set()

    end = subscribe(wake)
    try:
        with trio.move_on_after(timeout_s):
            while sum(held()) < stored:
                happened = trio.Event()
                await happened.wait()
    finally:
        end()
    if (count := sum(held())) < stored:
        where = "are stored" if topic is None else f"are stored in {topic}"
        raise TimeoutError(f"{count} records {where} after {timeout_s:g} s, not {stored}")
