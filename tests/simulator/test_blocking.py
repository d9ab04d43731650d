import asyncio
import socket
import threading
from concurrent.futures import Future
from typing import Self

import pytest

import simulator
from simulator.events import Appended
from tests.simulator.client import batch, produce_request
from wire.address import parse_address
from wire.api import PRODUCE
from wire.codec import decode
from wire.connection import ClientConnection
from wire.error_code import Code


class BlockingClient:
    """A client on a plain socket."""

    def __init__(self, address: str) -> None:
        host, port = parse_address(address)
        self.socket = socket.create_connection((host, port), timeout=30)
        self.wire = ClientConnection()
        self.socket.sendall(self.wire.hello())
        self.wire.welcome(self.answer())

    def answer(self) -> bytes:
        while True:
            for _, body in self.wire.receive(self.socket.recv(65536)):
                return body

    def produce(self, value: bytes, partition: int = 0) -> object:
        request = produce_request(("greetings", partition, batch(value)))
        self.socket.sendall(self.wire.request(PRODUCE, request, 25)[1])
        answer = decode(PRODUCE.response, self.answer(), 25)
        return answer.topics[0].partitions[0].error_code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


def test_a_blocking_caller_produces_and_reads_log_and_events() -> None:
    with (
        simulator.running(seed=7, topics={"greetings": 1}) as sim,
        BlockingClient(sim.spu_addresses[0]) as client,
    ):
        assert client.produce(b"hello") is Code.NONE
        assert [record.value for record in sim.log("greetings", 0)] == [b"hello"]
        assert [e.records for e in sim.events if isinstance(e, Appended)] == [1]
        assert sim.summary().partitions["greetings/0"].stored == 1
        assert sim.seed == 7


async def _asyncio_client(address: str) -> bytes:
    host, port = parse_address(address)
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(ClientConnection().hello())
    answer = await reader.read(65536)
    writer.close()
    await writer.wait_closed()
    return answer


def test_an_asyncio_caller_is_served() -> None:
    with simulator.running() as sim:
        assert len(asyncio.run(_asyncio_client(sim.address))) > 4


async def test_a_task_of_another_trio_uses_it() -> None:
    with simulator.running() as sim:
        with sim.faults(drop=0.1):
            assert [fault.kind for fault in sim.list_faults()] == ["drop"]
        sim.wait_until(stored=0)
        assert sim.log("greetings", 0) == []
        with pytest.raises(simulator.SimulatorError, match="no SPU 5"):
            sim.stop_spu(5)


def test_the_thread_of_the_simulator_is_told_that_it_would_wait_for_itself() -> None:
    with simulator.running() as sim:
        inner = sim._simulator
        inner.subscribe(lambda _: sim.heal())
        with pytest.raises(RuntimeError, match="call it from another thread"):
            sim.cut("sc")


def test_who_waits_is_told_that_the_simulator_ends() -> None:
    told: Future[None] = Future()

    def wait(sim: simulator.RunningSimulator) -> None:
        try:
            sim.wait_until(stored=1, timeout=60)
        except BaseException as error:
            told.set_exception(error)

    with simulator.running() as sim:
        waiter = threading.Thread(target=wait, args=[sim], daemon=True)
        waiter.start()
        while not sim._simulator._journal._sinks[1:]:  # until it waits
            sim.partitions()
    with pytest.raises(simulator.SimulatorError, match="has ended"):
        told.result(timeout=60)


def test_leaders_move_and_spus_go_and_come_from_another_thread() -> None:
    with simulator.running(spus=2) as sim, BlockingClient(sim.spu_addresses[0]) as old:
        sim.move_leader("greetings", 0, to=1)
        assert old.produce(b"a") is Code.NOT_LEADER_FOR_PARTITION
        sim.stop_spu(1)
        with pytest.raises(ConnectionRefusedError):
            BlockingClient(sim.spu_addresses[1])
        sim.start_spu(1)
        with BlockingClient(sim.spu_addresses[1]) as new:
            assert new.produce(b"b") is Code.NONE
        assert [record.value for record in sim.log("greetings", 0)] == [b"b"]


def test_a_mistake_reaches_the_caller_as_one_error() -> None:
    expected = "topic Bad_Name: Invalid topic name"
    with (
        pytest.raises(simulator.SimulatorError, match=expected),
        simulator.running(topics={"Bad_Name": 1}),
    ):
        pass


def test_an_error_of_the_block_is_the_callers_own() -> None:
    with pytest.raises(KeyError, match="mine"), simulator.running():
        raise KeyError("mine")


def test_the_port_is_free_when_the_block_has_ended() -> None:
    with simulator.running() as sim:
        port = parse_address(sim.address).port
    with simulator.running(port=port) as sim:
        assert sim.address.endswith(f":{port}")


def test_what_it_holds_is_told_after_the_block_and_changed_no_more() -> None:
    with (
        simulator.running() as sim,
        BlockingClient(sim.spu_addresses[0]) as client,
    ):
        assert client.produce(b"hello") is Code.NONE
    assert [record.value for record in sim.log("greetings", 0)] == [b"hello"]
    assert any(isinstance(event, Appended) for event in sim.events)
    assert sim.summary().partitions["greetings/0"].stored == 1
    ended = pytest.raises(simulator.SimulatorError, match="the simulator has ended")
    with ended:
        sim.stop_spu(0)
    with ended:
        sim.start_spu(0)
    with ended:
        sim.move_leader("greetings", 0, to=0)
