"""Follow a topic: where its leaders are, and one connection to each of them.

The SC is asked every second. A watch would tell of changes at once, but what a fault drops of it is
never sent again, whereas the answer to a question is complete. Each partition keeps the offset to
read next, so what ends its stream (a move, a restart, an error) only makes it wait for the next
answer of the SC, and longer after each failure in a row. Like ``tail -F``, it outlives its topic:
one that is created again is followed from its beginning.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Literal

import trio

from simulator.tailing.leader import (
    RETRY_S_MAX,
    RETRY_S_MIN,
    DeletedError,
    LeaderTail,
    PartitionTail,
)
from simulator.tailing.lines import RememberedRecords, TailTally
from simulator.tailing.lookup import NoTopicError, check_partitions, leaders_of
from simulator.tailing.printing import RecordPrinter
from simulator.tailing.tail_connection import (
    TailDial,
    TailError,
    dial_over_tcp,
    open_tail_connection,
)
from wire.address import Address

LOOK_S = 1.0
"""The time between two questions to the SC, in seconds."""


class TopicTail:
    """Follows the partitions of one topic and prints their records.

    Args:
        sc: the address of the SC.
        topic: the name of the topic.
        say: prints lines; the stream goes on when it returns.
        partitions: the partitions to follow; empty for all, those that are added later included.
        start: where to begin in each partition that exists already.
        count: the number of records after which to end; None to go on forever.
        remembered: the records by which copies are found.
        dial: makes connections.
    """

    def __init__(
        self,
        sc: Address,
        topic: str,
        say: Callable[[list[str]], Awaitable[None]],
        *,
        partitions: Collection[int] = (),
        start: Literal["beginning", "end"] = "beginning",
        count: int | None = None,
        remembered: RememberedRecords | None = None,
        dial: TailDial = dial_over_tcp,
    ) -> None:
        self._sc = sc
        self._topic = topic
        self._printer = RecordPrinter(say, remembered or RememberedRecords(), count)
        self._wanted = partitions
        self._start: Literal["beginning", "end"] = start
        self._dial = dial
        self._tails: dict[int, PartitionTail] = {}
        self._begun = False
        """Whether the SC has answered once."""
        self._deleted = False
        self._failure: TailError | OSError | None = None

    @property
    def tally(self) -> TailTally:
        """How many records were printed."""
        return self._printer.tally

    async def run(self) -> None:
        """Follow the topic until ``count`` records are printed.

        Raises:
            TailError: the SC cannot be asked at the start, or has no such topic or partition.
            OSError: a line cannot be printed.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ends_all, nursery, self._watch, nursery)
            await self._printer.finished.wait()
            nursery.cancel_scope.cancel()
        if self._failure is not None:
            raise self._failure

    async def _ends_all(
        self, nursery: trio.Nursery, work: Callable[..., Awaitable[None]], *arguments: object
    ) -> None:
        """Do some work; a failure that no pause can heal ends all of it."""
        try:
            await work(*arguments)
        except (TailError, OSError) as error:  # the latter of what prints
            self._failure = error
            nursery.cancel_scope.cancel()

    async def _watch(self, nursery: trio.Nursery) -> None:
        """Ask the SC again and again."""
        told, pause_s = False, RETRY_S_MIN
        while True:
            try:
                async with open_tail_connection(self._dial, self._sc, "the SC") as sc:
                    while True:
                        try:
                            leaders = await leaders_of(sc, self._topic)
                        except NoTopicError:
                            if not self._begun:
                                raise
                            await self._gone()
                        else:
                            await self._found(leaders, nursery)
                        told, pause_s = False, RETRY_S_MIN
                        await trio.sleep(LOOK_S)
            except TailError as error:
                if not self._begun:
                    raise
                if not told:
                    await self._printer.note(f"{error.what}; tail tries again")
                told = True
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, RETRY_S_MAX)

    async def _gone(self) -> None:
        """Forget a topic that does not exist any more."""
        if self._deleted:
            return
        self._deleted = True
        for tail in self._tails.values():
            if tail.leader is not None:
                tail.leader.leave(tail)
        self._tails.clear()
        self._printer.remembered.clear()
        await self._printer.note(
            f"the topic {self._topic} was deleted; tail waits until it is created again"
        )

    async def _found(self, leaders: dict[int, Address | None], nursery: trio.Nursery) -> None:
        """Follow what is not followed yet, or by another leader."""
        if not self._begun:
            check_partitions(self._topic, leaders, self._wanted)
        if self._deleted:
            self._deleted = False
            await self._printer.note(f"the topic {self._topic} was created again")
        for index in leaders:
            if index not in self._tails and (not self._wanted or index in self._wanted):
                start = "beginning" if self._begun else self._start
                self._tails[index] = PartitionTail(index, start)
        self._begun = True
        notes = list[str]()
        for index, tail in self._tails.items():
            address, name = leaders.get(index), f"{self._topic}/{index}"
            if address is None:
                if tail.leader is None and not tail.told:
                    tail.told = True
                    notes.append(f"{name} has no leader that is online; tail waits")
            elif tail.leader is not None and tail.leader.address != address:
                tail.leader.leave(tail)
                notes.append(f"{name} is led by the SPU at {address} now")
        if notes:
            more = len(notes) - 1
            await self._printer.note(notes[0] + (f" (and {more:,} like it)" if more else ""))
        self._follow_missing(leaders, nursery)

    def _follow_missing(self, leaders: dict[int, Address | None], nursery: trio.Nursery) -> None:
        """Connect to the leaders of the partitions that are not followed."""
        to_follow: dict[Address, list[PartitionTail]] = {}
        for index, tail in self._tails.items():
            address = leaders.get(index)
            if (
                address is not None
                and tail.leader is None
                and tail.not_before <= trio.current_time()
            ):
                to_follow.setdefault(address, []).append(tail)
        for address, tails in to_follow.items():
            leader = LeaderTail(address, self._topic, tails, self._printer)
            nursery.start_soon(self._ends_all, nursery, self._follow, leader)

    async def _follow(self, leader: LeaderTail) -> None:
        """Follow partitions of one leader until they are not followed there any more."""
        try:
            async with open_tail_connection(self._dial, leader.address, "the SPU") as spu:
                await leader.run(spu)
        except DeletedError:
            await self._gone()
        except TailError as error:
            # Every partition must know of the failure, and one line tells of it.
            news = [tail.failed() for tail in leader.tails.values()]
            if any(news):
                await self._printer.note(f"{error.what}; tail tries again")
