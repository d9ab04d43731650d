"""Connections and listeners: how they begin, end, refuse, come back, and leave nothing behind."""

import errno
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from simulator import SimulatorError, open_simulator
from simulator.cluster.cluster import topic_of
from simulator.events import (
    ClosedBy,
    CloseReason,
    ConnectionClosed,
    DialRefused,
    ListenerClosed,
    ListenerReopened,
)
from simulator.faults.kinds.delay import Delay
from simulator.faults.kinds.disconnect import Disconnect
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.duplicate import Duplicate
from simulator.faults.kinds.refuse import Refuse
from simulator.faults.kinds.stall import Stall
from simulator.faults.model import Fault, Match
from simulator.serving.listeners import ACCEPT_AGAIN_S
from simulator.serving.transport import Bound
from tests.simulator.client import Client, batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.scene import by, connections, counts, ended, ids_within, send, values
from wire.address import parse_address
from wire.api import LIST, PRODUCE, WATCH
from wire.api.admin import ListFilter, ListRequest, WatchOptions, WatchRequest
from wire.api.envelope import TOPIC, seal
from wire.error_code import Code


async def test_a_window_opens_and_closes_on_the_faults_clock(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = {"drop": {"at": "request", "between": ["1s", "3s"]}}
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        for _ in range(4):
            await send(client, b"x")
            await trio.sleep(1)
        assert await ids_within(client) == [1, 4]


async def test_a_closed_listener_refuses_for_its_window(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = {"refuse": {"name": "down", "server": "spu:0", "between": ["1s", "3s"]}}
    async with open_simulator(listen=network.listen, faults=[fault], spus=2) as sim:
        start = trio.current_time()
        existing = await dial(network, sim.spu_addresses[0])
        for second, partly_refused in ((0.5, False), (1.5, True), (2.5, True), (3.5, False)):
            await trio.sleep_until(start + second)
            await dial(network, sim.spu_addresses[1])
            if partly_refused:
                with pytest.raises(OSError, match="refused"):
                    network.connect(sim.spu_addresses[0])
            else:
                await dial(network, sim.spu_addresses[0])
            assert (await existing.produce("greetings", 0, b"a")).error_code is Code.NONE
        assert counts(sim) == {"down": (None, 0)}
        sim.dialled(parse_address(sim.spu_addresses[1]).port, refused=False)
        assert counts(sim) == {"down": (0, 0)}
        windows = [e for e in sim.events if isinstance(e, ListenerClosed | ListenerReopened)]
    assert [(type(e), e.server, e.fault) for e in windows] == [
        (ListenerClosed, "spu:0", "down"),
        (ListenerReopened, "spu:0", "down"),
    ]


async def test_a_refused_connect_that_a_dialler_reports_fires_what_closes_the_listener(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults: list[dict[str, Any]] = [
        {"refuse": {"name": "down", "server": "spu:0", "between": ["0s", "3s"]}},
        {"refuse": {"name": "other", "server": "spu:1"}},
    ]
    async with open_simulator(listen=network.listen, faults=faults, spus=2) as sim:
        await trio.sleep(1)
        port = parse_address(sim.spu_addresses[0]).port
        sim.dialled(port, refused=True)
        await trio.sleep(3)
        sim.dialled(port, refused=True)  # the window is over: no fault refused it
        assert counts(sim) == {"down": (1, 0), "other": (0, 0)}
        assert [e.server for e in sim.events if isinstance(e, DialRefused)] == ["spu:0", "spu:0"]


async def test_a_fault_whose_window_ends_does_not_start_an_spu_that_is_stopped(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    away = {"refuse": {"name": "away", "server": "spu:0", "between": ["0s", "1s"]}}
    async with open_simulator(listen=network.listen, faults=[away]) as sim:
        address = sim.spu_addresses[0]
        await sim.stop_spu(0)
        await trio.sleep(1.5)
        with pytest.raises(OSError, match="refused"):
            network.connect(address)
        await sim.start_spu(0)
        await dial(network, address)


async def test_an_spu_that_starts_within_the_window_of_a_fault_listens_when_the_window_ends(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    away = {"refuse": {"name": "away", "server": "spu:0", "between": ["0s", "1s"]}}
    async with open_simulator(listen=network.listen, faults=[away]) as sim:
        address = sim.spu_addresses[0]
        await sim.stop_spu(0)
        await sim.start_spu(0)
        await trio.sleep(0.5)
        with pytest.raises(OSError, match="refused"):
            network.connect(address)
        await trio.sleep(1)
        await dial(network, address)


async def test_an_spu_stays_closed_for_a_fault_that_begins_while_it_starts(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async def listen_slowly(host: str, port: int) -> Bound:
        await trio.sleep(0.2 if port else 0)  # the port is known when it is opened again
        return await network.listen(host, port)

    away = {"refuse": {"name": "away", "server": "spu:0", "between": ["2s", "3s"]}}
    async with open_simulator(listen=listen_slowly, faults=[away]) as sim:
        address = sim.spu_addresses[0]
        await sim.stop_spu(0)
        await trio.sleep(1.9)
        await sim.start_spu(0)
        with pytest.raises(OSError, match="refused"):
            network.connect(address)
        await trio.sleep(1.5)
        await dial(network, address)


async def test_a_connection_is_reset_or_left_hanging_at_its_acceptance(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults = [Refuse(server="sc", how="rst"), Refuse(server="spu", how="hang")]
    async with open_simulator(listen=network.listen, faults=faults) as sim:
        reset = Client(network.connect(sim.address))
        with pytest.raises((EOFError, trio.BrokenResourceError)):
            await reset.hello()
        hung = Client(network.connect(sim.spu_addresses[0]))
        await hung.stream.send_all(hung.wire.hello())
        assert await hung.answers_within(1000) == []
        assert counts(sim) == {"refuse-1": (1, 0), "refuse-2": (1, 0)}


async def test_an_spu_that_is_away_is_reset_and_refuses_until_it_is_back_with_its_log(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    delay = Delay(at="request", by=by("1s"), nth=(2,))
    async with open_simulator(listen=network.listen, faults=[delay]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.produce("greetings", 0, b"before")
        await send(client, b"on its way")
        await trio.sleep(0.5)
        await sim.stop_spu(0)
        assert await ended(client)
        with pytest.raises(OSError, match="refused"):
            network.connect(sim.spu_addresses[0])
        await trio.sleep(5)
        await sim.start_spu(0)
        again = await dial(network, sim.spu_addresses[0])
        assert (await again.produce("greetings", 0, b"after")).base_offset == 1
        assert values(sim) == [b"before", b"after"]


@pytest.mark.parametrize("at", ["request", "response"])
async def test_a_stalled_connection_is_reset_when_its_spu_goes_away(
    network: MemoryNetwork, autojump_clock: MockClock, at: Any
) -> None:
    async with open_simulator(listen=network.listen, faults=[Stall(at=at)]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await send(client, b"a")
        assert not await ended(client)
        await sim.stop_spu(0)
        assert await ended(client)
        assert connections(sim) == 0


async def test_a_hung_connection_is_let_go_when_its_client_has_gone(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = Refuse(server="sc", how="hang")
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        stream = network.connect(sim.address)
        await trio.sleep(1)
        assert connections(sim) == 1
        await stream.aclose()
        await trio.sleep(1)
        assert connections(sim) == 0


async def test_a_half_closed_connection_can_still_be_reset(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults: list[Fault] = [
        Disconnect(at="response", how="half-close", nth=(1,)),
        Disconnect(at="request", how="rst", nth=(3,)),
    ]
    async with open_simulator(listen=network.listen, faults=faults) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await send(client, b"a", b"b", b"c")
        await trio.sleep(1)
        with pytest.raises(trio.BrokenResourceError):
            await send(client, b"d")
        assert values(sim) == [b"a", b"b"]
        assert connections(sim) == 0


async def test_a_client_that_does_not_read_its_news_is_reset_and_forgotten(
    network: MemoryNetwork, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.serving.delay_line.HELD_MAX", 5)
    delay = Delay(at="response", by=by("10m"), match=Match(api="watch"))
    async with open_simulator(listen=network.listen, faults=[delay]) as sim:
        client = await dial(network, sim.address)
        await client.send(WATCH, WatchRequest(object=seal(TOPIC, WatchOptions(), 19)))
        await trio.sleep(1)
        for number in range(5):
            sim.cluster.create_topic(f"t{number}", topic_of(1))
        assert await ended(client)
        await trio.sleep(3600)
        assert connections(sim) == 0
        (closed,) = [e for e in sim.events if isinstance(e, ConnectionClosed)]
    assert (closed.by, closed.reason) == (ClosedBy.SIMULATOR, CloseReason.ANSWERS_UNREAD)


async def test_records_count_as_unanswered_while_their_commit_is_awaited(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen, commit_delay=1.0) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.send(PRODUCE, produce_request(("greetings", 0, batch(b"a", b"b")), acks=-1))
        await trio.sleep(0.5)
        assert sim.summary().unanswered_records == 2
        await client.answer()
        assert sim.summary().unanswered_records == 0


async def test_a_request_is_applied_to_its_end_though_an_end_comes_meanwhile(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults: list[Fault] = [
        Delay(at="response", by=by("1s"), nth=(1,)),
        Disconnect(at="response", how="rst", nth=(1,)),
        Duplicate(at="request", nth=(2,)),
    ]
    async with open_simulator(listen=network.listen, faults=faults, commit_delay=3.0) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await send(client, b"a")
        # It waits for its commit while the connection is reset.
        await client.send(PRODUCE, produce_request(("greetings", 0, batch(b"b")), acks=-1))
        await trio.sleep(20)
        assert values(sim) == [b"a", b"b", b"b"]
        assert connections(sim) == 0


async def test_a_late_fin_ends_the_connection_of_a_silent_client(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults: list[Fault] = [
        Delay(at="response", by=by("2s")),
        Disconnect(at="response", how="fin"),
    ]
    async with open_simulator(listen=network.listen, faults=faults) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await send(client, b"a")
        await trio.sleep(1)
        assert connections(sim) == 1
        await trio.sleep(2)
        assert connections(sim) == 0


async def test_requests_behind_an_undecodable_one_are_not_applied(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    delay = Delay(at="request", by=by("1s"))
    async with open_simulator(listen=network.listen, faults=[delay]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await send(client, b"a")
        await client.send(PRODUCE, produce_request(("greetings", 0, b"\1")))
        await send(client, b"behind")
        await trio.sleep(5)
        assert values(sim) == [b"a"]
        assert connections(sim) == 0


async def test_a_connection_that_has_ended_leaves_no_watch_and_no_ordinal_behind(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = Drop(at="response", match=Match(api="list"))
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.address)
        subscribed = len(sim.cluster._subscribers)
        await client.call(WATCH, WatchRequest(object=seal(TOPIC, WatchOptions(), 19)))
        await client.send(LIST, ListRequest(object=seal(TOPIC, ListFilter(), 19)))
        await trio.sleep(1)
        assert len(sim.cluster._subscribers) == subscribed + 1
        assert len(sim._plan._by_connection) == 1
        await client.stream.aclose()
        await trio.sleep(1)
        assert len(sim.cluster._subscribers) == subscribed
        assert not sim._plan._by_connection


async def test_the_oldest_stalled_connection_makes_room_for_a_new_one(
    network: MemoryNetwork, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.serving.node.CONNECTIONS_MAX", 2)
    stall = Stall(at="request", limit=2)
    async with open_simulator(listen=network.listen, faults=[stall]) as sim:
        stalled = [await dial(network, sim.spu_addresses[0]) for _ in range(2)]
        for client in stalled:
            await send(client, b"x")
        await trio.sleep(1)
        third = await dial(network, sim.spu_addresses[0])
        assert (await third.produce("greetings", 0, b"a")).error_code is Code.NONE
        assert [await ended(client) for client in stalled] == [True, False]


async def test_a_connection_made_just_before_its_spu_goes_away_is_reset_too(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        await trio.sleep(1)
        client = Client(network.connect(sim.spu_addresses[0]))
        await sim.stop_spu(0)
        with pytest.raises((EOFError, trio.BrokenResourceError)):
            await client.hello()
        with pytest.raises(SimulatorError, match="no SPU 1; there are 1, numbered from 0"):
            await sim.stop_spu(1)


async def test_a_server_out_of_files_accepts_when_it_has_some_again(
    network: MemoryNetwork, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        listener = network.listeners[parse_address(sim.address).port]
        listener.failure = OSError(errno.EMFILE, "Too many open files")
        await dial(network, sim.address)
        assert trio.current_time() == pytest.approx(ACCEPT_AGAIN_S)
    assert caplog.messages == ["sc cannot accept: Too many open files"]


async def test_a_listener_that_breaks_ends_the_simulator(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async def broken() -> None:
        async with open_simulator(listen=network.listen) as sim:
            listener = network.listeners[parse_address(sim.address).port]
            listener.failure = OSError(errno.EBADF, "Bad file descriptor")
            await trio.sleep(1)

    with pytest.raises(ExceptionGroup) as caught:
        await broken()
    assert caught.group_contains(OSError, match="Bad file")


async def test_a_listener_whose_port_was_taken_meanwhile_opens_when_it_is_free(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = {"refuse": {"server": "spu", "between": ["1s", "2s"]}}
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        network.taken = True
        await trio.sleep(5)
        with pytest.raises(OSError, match="refused"):
            network.connect(sim.spu_addresses[0])
        network.taken = False
        await trio.sleep(2)
        await dial(network, sim.spu_addresses[0])


async def test_a_defect_of_ours_is_never_swallowed(
    network: MemoryNetwork, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("wire.connection.ServerConnection.receive", broken)

    async def meet_it() -> None:
        async with open_simulator(listen=network.listen) as sim:
            await network.connect(sim.address).send_all(b"x")
            await trio.testing.wait_all_tasks_blocked()

    with pytest.raises((ZeroDivisionError, ExceptionGroup)) as caught:
        await meet_it()
    assert "a defect" in repr(caught.value)
