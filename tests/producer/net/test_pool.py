"""The connections to SPUs: who shares them, when they are told goodbye, when they are let go."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from itertools import pairwise
from math import inf

import pytest
import trio
from trio.testing import MockClock

from producer import DeliverySemantic, RecordMetadata, TlsPolicy, TopicProducerConfig
from producer.errors import ConnectError
from producer.net.metadata import SpuEndpoint
from producer.net.pool import Pool
from simulator.serving.transport import Stream
from tests.producer.cluster import Cluster
from tests.producer.net.test_connection import EMPTY, Server
from tests.producer.test_at_least_once import error_of, fault, outcome
from tests.simulator.memory import MemoryNetwork, reset
from wire.address import parse_address
from wire.api import PRODUCE

HERE = SpuEndpoint(5001, "spu-5001", "host", 9010)
ELSEWHERE = SpuEndpoint(5001, "spu-5001", "host", 9020)
ANOTHER = SpuEndpoint(5002, "spu-5002", "host", 9030)
ONCE = TopicProducerConfig(delivery_semantic=DeliverySemantic.at_most_once())


class Spus:
    """SPUs that greet and then do what the test says, and a pool of connections to them.

    Args:
        nursery: where they and the pool live.
        greetings: how each dial ends: after so many seconds it is greeted (``inf``: it hangs), or
            refused after so many (below zero); behind them greeted at once.
        trip: how long the accept of each dial takes, in seconds.
    """

    def __init__(
        self, nursery: trio.Nursery, greetings: Iterable[float] = (), trip: float = 0.0
    ) -> None:
        self._nursery = nursery
        self._greetings = iter(greetings)
        self._trip = trip
        self.servers: list[Server] = []
        self.dials: list[float] = []
        """When each was begun."""
        self.under_way = 0
        self.under_way_max = 0
        """How many dials were under way at a time."""
        self.pool = Pool(nursery, self._dial, "test", TlsPolicy(), None)

    async def _dial(self, _host: str, _port: int) -> trio.abc.Stream:
        self.dials.append(round(trio.current_time(), 6))
        after = next(self._greetings, 0.0)
        self.under_way += 1
        self.under_way_max = max(self.under_way, self.under_way_max)
        try:
            await trio.sleep(abs(after) if after < 0 else self._trip)
            if after < 0:
                raise ConnectionRefusedError(111, "Connection refused")
        finally:
            self.under_way -= 1
        server = Server()
        self.servers.append(server)
        self._nursery.start_soon(self._greet, server, after)
        return server.client

    @staticmethod
    async def _greet(server: Server, after: float) -> None:
        await trio.sleep(after)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await server.greet()

    async def get(self, wait_s: float, endpoint: SpuEndpoint = HERE) -> tuple[str, float]:
        """What an attempt comes to that begins now, and when."""
        what = "late"
        with trio.move_on_after(wait_s):
            try:
                what = "usable" if (await self.pool.connection(endpoint, wait_s)).usable else "dead"
            except ConnectError:
                what = "failed"
        return what, round(trio.current_time(), 6)


async def gather(*attempts: Callable[[], Awaitable[tuple[str, float]]]) -> list[tuple[str, float]]:
    """What some attempts come to that go on at the same time, in their order."""
    found: dict[int, tuple[str, float]] = {}

    async def note(number: int) -> None:
        found[number] = await attempts[number]()

    async with trio.open_nursery() as nursery:
        for number in range(len(attempts)):
            nursery.start_soon(note, number)
    return [found[number] for number in range(len(attempts))]


def after(seconds: float, spus: Spus, wait_s: float) -> Callable[[], Awaitable[tuple[str, float]]]:
    """An attempt that begins so many seconds from now."""

    async def attempt() -> tuple[str, float]:
        await trio.sleep(seconds)
        return await spus.get(wait_s)

    return attempt


async def test_attempts_that_come_closer_together_than_connecting_takes_share_one_dial(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery, [0.3])
        attempts = [after(number / 100, spus, 0.2) for number in range(40)]
        found = await gather(*attempts)
        # The dial has the bound of one attempt from its start; the next one follows 20 ms later.
        assert spus.dials == [0.0, 0.22]
        assert found[0][0] in ("failed", "late")  # both end at the same moment
        assert [what for what, _ in found[1:]] == ["late"] * 2 + ["usable"] * 37
        assert all(at <= max(0.22, number / 100) for number, (_, at) in enumerate(found))
        nursery.cancel_scope.cancel()


async def test_a_waiter_that_gives_up_takes_nothing_down(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery, [0.5])
        found = await gather(after(0, spus, 0.9), after(0.1, spus, 0.1), after(0.2, spus, 0.2))
        assert found == [("usable", 0.5), ("late", 0.2), ("late", 0.4)]
        assert spus.dials == [0.0]
        nursery.cancel_scope.cancel()


async def test_a_dial_goes_on_while_nobody_waits_and_serves_who_comes_later(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery, [1.5])
        assert await gather(after(0, spus, 0.5), after(0, spus, 2)) == [
            ("late", 0.5),
            ("usable", 1.0),
        ]
        nursery.cancel_scope.cancel()


async def test_a_failed_dial_ends_the_attempts_that_had_begun_and_no_others(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery, [-0.3])
        found = await gather(after(0, spus, 5), after(0.1, spus, 5), after(0.31, spus, 5))
        assert found == [("failed", 0.3), ("usable", 0.32), ("usable", 0.32)]
        assert spus.dials == [0.0, 0.32]
        nursery.cancel_scope.cancel()


async def test_the_pause_behind_failed_dials_doubles_until_a_request_is_answered(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery, [-0.001] * 8 + [0.0, -0.001, -0.001, 0.0, -0.001])
        while await spus.get(5) != ("usable", trio.current_time()):
            pass
        pauses = [round(b - a - 0.001, 6) for a, b in pairwise(spus.dials)]
        assert pauses == [0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0]
        # It was reached and answers nothing, so the pause is what it was.
        (await spus.pool.connection(HERE, 5)).retire()
        since = len(spus.dials)
        while (await spus.get(5))[0] != "usable":
            pass
        pauses = [round(b - a - 0.001, 6) for a, b in pairwise(spus.dials[since:])]
        assert pauses == [1.0, 1.0]
        connection = await spus.pool.connection(HERE, 5)
        call = connection.submit(PRODUCE, EMPTY)
        server = spus.servers[-1]
        await server.answer(await server.request())
        await call.answer()
        connection.retire()
        since = len(spus.dials)
        while (await spus.get(5))[0] != "usable":
            pass
        assert round(spus.dials[since + 1] - spus.dials[since] - 0.001, 6) == 0.02
        nursery.cancel_scope.cancel()


async def test_the_wait_for_the_next_dial_is_part_of_the_attempt(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery, [-0.001] * 7)
        for _ in range(7):
            assert (await spus.get(5))[0] == "failed"
        begun = trio.current_time()
        assert await spus.get(0.5) == ("late", round(begun + 0.5, 6))
        assert len(spus.dials) == 7  # nobody waits any more when the pause is over
        assert await spus.get(1) == ("usable", round(begun + 1, 6))
        nursery.cancel_scope.cancel()


async def test_a_silent_dial_is_given_up_after_a_second_at_no_cost_to_those_who_wait(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery, [inf])
        assert await gather(after(0, spus, 10), after(0.9, spus, 10)) == [("usable", 1.0)] * 2
        assert spus.dials == [0.0, 1.0]
        nursery.cancel_scope.cancel()


async def test_a_line_with_a_long_round_trip_gets_the_time_that_it_needs(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery, [3.0] * 4, trip=3.0)
        assert await spus.get(30) == ("usable", 9.0)  # accepted after 3 s, greeted after 3 more
        assert spus.dials == [0.0, 1.0, 3.0]
        (await spus.pool.connection(HERE, 30)).retire()
        assert await spus.get(30) == ("usable", 15.0)  # it is known by now
        nursery.cancel_scope.cancel()


async def test_a_dial_that_is_not_silent_is_not_given_up(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery, [0.9], trip=0.9)
        assert await spus.get(10) == ("usable", 1.8)
        assert spus.dials == [0.0]
        nursery.cancel_scope.cancel()


async def test_an_spu_that_hangs_has_one_dial_at_a_time(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery, [inf] * 99, trip=inf)
        found = await gather(*[after(number / 50, spus, 2.0) for number in range(100)])
        assert {what for what, _ in found} <= {"late", "failed"}
        assert spus.under_way_max == 1
        assert len(spus.dials) <= 4
        nursery.cancel_scope.cancel()


async def test_an_spu_that_moves_while_it_is_dialled_is_dialled_where_it_is(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery, [inf])

        async def moved() -> tuple[str, float]:
            await trio.sleep(0.3)
            return await spus.get(10, ELSEWHERE)

        assert await gather(after(0, spus, 10), moved) == [("usable", 0.3)] * 2
        assert spus.dials == [0.0, 0.3]
        assert spus.under_way_max == 1
        nursery.cancel_scope.cancel()


async def test_closing_ends_a_dial(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery, trip=inf)
        with trio.move_on_after(0.5):
            await spus.pool.connection(HERE, 5)
        assert spus.under_way == 1
        await spus.pool.close(1)
        await trio.testing.wait_all_tasks_blocked()
        assert spus.under_way == 0
        assert trio.current_time() == pytest.approx(0.5)
        nursery.cancel_scope.cancel()


async def test_only_the_last_producer_on_a_connection_sends_fin(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery)
        # They are equal, and two all the same.
        first, second = {HERE.spu: None}, {HERE.spu: None}
        spus.pool.join(first)
        spus.pool.join(second)
        connection = await spus.pool.connection(HERE, 10)
        call = connection.submit(PRODUCE, EMPTY)
        spus.pool.finish(first)
        assert await spus.pool.connection(HERE, 10) is connection
        spus.pool.finish(second)
        (server,) = spus.servers
        correlation_id = await server.request()
        assert await server.stream.receive_some() == b""
        await server.answer(correlation_id)
        assert await call.answer()
        await connection.ended.wait()


async def test_a_producer_that_sends_elsewhere_or_left_keeps_no_connection_open(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery)
        leaving, elsewhere, gone = {HERE.spu: None}, {ANOTHER.spu: None}, {HERE.spu: None}
        for spus_of in (leaving, elsewhere, gone):
            spus.pool.join(spus_of)
        here, there = [await spus.pool.connection(each, 10) for each in (HERE, ANOTHER)]
        spus.pool.leave(gone)
        spus.pool.leave(gone)  # as a producer does that was closed before its block ended
        spus.pool.finish(leaving)
        assert (here.usable, there.usable) == (False, True)
        await here.ended.wait()
        await spus.pool.close(1)


class _HastyNetwork(MemoryNetwork):
    """A network whose servers take a FIN as the end of everything, answers included."""

    def connect(self, address: str) -> Stream:
        stream = super().connect(address)

        async def send_eof() -> None:
            await trio.lowlevel.checkpoint()
            reset(stream)

        stream.send_eof = send_eof  # type: ignore[method-assign]
        return stream


async def test_a_producer_that_closes_takes_no_answer_from_another_one(
    autojump_clock: MockClock,
) -> None:
    cluster = Cluster(_HastyNetwork())
    async with (
        cluster.client(faults=[fault("delay", at="response", by="1s")]) as fluvio,
        fluvio.topic_producer("greetings", ONCE) as staying,
    ):
        sent = [await staying.send(None, b"before")]
        await staying.flush()
        async with fluvio.topic_producer("greetings", ONCE) as leaving:
            last_words = await leaving.send(None, b"last words")
            await leaving.flush()
            sent.append(await staying.send(None, b"meanwhile"))
            await staying.flush()
        sent.append(await staying.send(None, b"after"))
        for output in (last_words, *sent):
            assert isinstance(await output.wait(), RecordMetadata)
        assert cluster.values() == [b"before", b"last words", b"meanwhile", b"after"]
        spu = parse_address(cluster.simulator.spu_addresses[0]).port
        assert cluster.dialled.count(spu) == 1


async def test_the_last_of_two_producers_learns_by_its_fin_that_no_answer_comes(
    cluster: Cluster, autojump_clock: MockClock
) -> None:
    async with cluster.client(faults=[fault("drop", at="response", nth=2)]) as fluvio:
        async with fluvio.topic_producer("greetings", ONCE) as last:
            async with fluvio.topic_producer("greetings", ONCE) as first:
                await (await first.send(None, b"a")).wait()
            output = await last.send(None, b"b")
            await last.flush()
        await error_of(output)
        assert trio.current_time() < 1
        async with fluvio.topic_producer("greetings", ONCE) as another:
            assert isinstance(await outcome(await another.send(None, b"c")), int)


async def test_the_connection_to_an_spu_that_moved_is_let_go_once_it_is_reached(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery)
        before, other = [await spus.pool.connection(each, 10) for each in (HERE, ANOTHER)]
        call = before.submit(PRODUCE, EMPTY)
        after = await spus.pool.connection(ELSEWHERE, 10)
        assert (before.usable, other.usable, after.usable) == (False, True, True)
        # What was sent there before still counts.
        await spus.servers[0].answer(await spus.servers[0].request())
        assert await call.answer()
        await before.ended.wait()
        await spus.pool.close(1)


@pytest.mark.parametrize("answers", [True, False])
async def test_closing_waits_for_the_answers_but_not_for_long(
    autojump_clock: MockClock, answers: bool
) -> None:
    async with trio.open_nursery() as nursery:
        spus = Spus(nursery)
        connection = await spus.pool.connection(HERE, 10)
        call = connection.submit(PRODUCE, EMPTY)
        (server,) = spus.servers

        async def serve() -> None:
            correlation_id = await server.request()
            assert await server.stream.receive_some() == b""
            if answers:
                await trio.sleep(0.4)
                await server.answer(correlation_id)

        nursery.start_soon(serve)
        await spus.pool.close(1.0)
        assert trio.current_time() == pytest.approx(0.4 if answers else 1.0)
        assert connection.ended.is_set() is answers
        if answers:
            assert await call.answer()
        connection.end()
