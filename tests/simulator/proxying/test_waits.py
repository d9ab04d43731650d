"""What a connection of the proxy waits for before it ends, and for how long."""

import pytest
import trio

from chaos.world.clock import VirtualClock
from chaos.world.network import reset_virtual
from simulator.events import Appended, ClosedBy, CloseReason, ConnectionClosed
from simulator.faults.kinds.delay import Delay
from simulator.faults.kinds.disconnect import Disconnect
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.error import Error
from simulator.faults.kinds.stall import Stall
from simulator.proxying.connection import ANSWERS_S
from tests.simulator.client import Client
from tests.simulator.proxying.virtual_scene import Scene, scene
from tests.simulator.scene import by, ids_within, send, values

REFUSED = Error(name="refused", at="request", code="StorageError", nth=[2])
"""The proxy answers the second request, behind the first one."""

UNANSWERED = Drop(at="response", nth=[1])
"""The cluster never answers the first request."""


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def ends(it: Scene) -> list[tuple[ClosedBy, CloseReason]]:
    """How the connections to the SPU of the cluster ended so far."""
    closed = [e for e in it.sim.events if isinstance(e, ConnectionClosed) and e.server == "spu:0"]
    return [(each.by, each.reason) for each in closed]


async def held_behind_the_first(it: Scene) -> Client:
    """Send two requests: the first is not answered, and the answer of the second waits for that."""
    client = await it.client()
    await send(client, b"a", b"b")
    assert await ids_within(client, 1) == []
    return client


async def test_an_answer_of_a_fault_waits_for_those_of_earlier_requests(
    clock: VirtualClock,
) -> None:
    late = Delay(by=by("2s"), at="response", nth=[1])
    async with scene(clock, upstream=[late], faults=[REFUSED]) as it:
        client = await held_behind_the_first(it)
        assert await ids_within(client, 2) == [1, 2]
        assert values(it.sim) == [b"a"]


async def test_the_fin_of_a_client_waits_behind_an_answer_of_a_fault(clock: VirtualClock) -> None:
    late = Delay(by=by("2s"), at="response", nth=[1])
    async with scene(clock, upstream=[late], faults=[REFUSED]) as it:
        client = await held_behind_the_first(it)
        await client.stream.send_eof()
        assert await ids_within(client, 0.5) == []
        assert ends(it) == []
        assert await ids_within(client, 2) == [1, 2]
        with trio.fail_after(1):
            await it.proxy.drained()
        assert ends(it) == [(ClosedBy.CLIENT, CloseReason.FIN)]


async def test_an_end_of_a_fault_waits_for_the_answers_before_it_however_late_they_are(
    clock: VirtualClock,
) -> None:
    late = Delay(by=by(f"{ANSWERS_S + 2}s"), at="response", nth=[1])
    fin = Disconnect(how="fin", at="request", nth=[2])
    async with scene(clock, upstream=[late], faults=[fin]) as it:
        client = await held_behind_the_first(it)
        assert (await client.answer())[0] == 1
        assert await client.stream.receive_some() == b""


async def test_a_connection_whose_peers_have_ended_waits_for_its_late_answers(
    clock: VirtualClock,
) -> None:
    async with scene(clock, faults=[Delay(by=by("2s"), at="response")]) as it:
        client = await it.client()
        await send(client, b"a")
        await client.stream.send_eof()
        await trio.sleep(1)
        assert ends(it) == [(ClosedBy.CLIENT, CloseReason.FIN)]
        assert await ids_within(client, 2) == [1]


async def test_behind_a_cut_no_answer_of_a_fault_is_waited_for(clock: VirtualClock) -> None:
    async with scene(clock, upstream=[UNANSWERED], faults=[REFUSED]) as it:
        await held_behind_the_first(it)
        it.proxy.cut("spu:0")
        await trio.sleep(ANSWERS_S - 0.5)
        assert ends(it) == []  # the answer may tell what is stored
        await trio.sleep(1)
        assert ends(it) == [(ClosedBy.CLIENT, CloseReason.FIN)]
        with trio.fail_after(1):
            await it.proxy.drained()


async def test_behind_a_reset_of_the_client_no_answer_of_a_fault_is_waited_for(
    clock: VirtualClock,
) -> None:
    async with scene(clock, upstream=[UNANSWERED], faults=[REFUSED]) as it:
        client = await held_behind_the_first(it)
        reset_virtual(client.stream)
        await trio.sleep(ANSWERS_S + 1)
        assert ends(it) == [(ClosedBy.CLIENT, CloseReason.RESET)]
        with trio.fail_after(1):
            await it.proxy.drained()


async def test_after_a_cut_the_answers_of_the_cluster_are_heard(clock: VirtualClock) -> None:
    late = Delay(by=by("2s"), at="response")
    async with scene(clock, upstream=[late]) as it:
        client = await it.client()
        await send(client, b"a", b"b")
        await trio.sleep(1)
        it.proxy.cut("spu:0")
        await trio.sleep(3)
        assert [e.base_offset for e in it.proxy.events if isinstance(e, Appended)] == [0, 1]
        assert ends(it) == [(ClosedBy.CLIENT, CloseReason.FIN)]  # no longer than they take


async def test_after_a_fin_of_the_client_the_cluster_may_go_on_until_a_cut(
    clock: VirtualClock,
) -> None:
    async with scene(clock, upstream=[Stall(at="request", nth=[1])]) as it:
        client = await it.client()
        await send(client, b"a")
        await client.stream.send_eof()
        with trio.move_on_after(10 * ANSWERS_S) as waiting:
            await it.proxy.drained()
        assert waiting.cancelled_caught  # the cluster has ended nothing
        it.proxy.cut("spu:0")
        with trio.move_on_after(ANSWERS_S - 0.5) as waiting:
            await it.proxy.drained()
        assert waiting.cancelled_caught  # it may answer
        with trio.fail_after(1):
            await it.proxy.drained()


async def test_behind_the_end_of_the_cluster_an_answer_of_a_fault_is_not_waited_for(
    clock: VirtualClock,
) -> None:
    """The cluster ends its direction and leaves a request without an answer, so that what waits
    for that answer would wait for ever."""
    fin = Disconnect(how="half-close", at="request", nth=[1])
    async with scene(clock, upstream=[fin], faults=[REFUSED]) as it:
        client = await it.client()
        await send(client, b"a")
        assert await client.stream.receive_some() == b""
        await send(client, b"b")
        await trio.sleep(1)
        await client.stream.aclose()
        await trio.sleep(ANSWERS_S + 1)
        with trio.fail_after(1):
            await it.proxy.drained()
        assert len(ends(it)) == 1
