"""What ``tail`` outlives: moves, restarts, errors, added partitions, and the end of its topic."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from simulator import open_simulator
from simulator.cluster.record_set import record_set
from simulator.serving.server import Simulator
from simulator.tailing.following import LOOK_S
from simulator.tailing.leader import RETRY_S_MAX, RETRY_S_MIN, PartitionTail
from simulator.tailing.tail_connection import ANSWER_S
from tests.simulator.client import batch
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.tailing.test_following import TOPIC, Printed


@asynccontextmanager
async def tailing(
    network: MemoryNetwork, printed_options: Any = None, **options: Any
) -> AsyncIterator[tuple[Simulator, Printed]]:
    """A simulator and a tail of its topic, which has printed the record that there is."""
    async with open_simulator(listen=network.listen, **options) as sim:
        await produce(network, sim, b"a")
        printed = Printed(network, sim, **(printed_options or {}))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(printed.tail.run)
            await trio.sleep(LOOK_S / 2)
            yield sim, printed
            nursery.cancel_scope.cancel()


async def produce(
    network: MemoryNetwork, sim: Simulator, *values: bytes, spu: int = 0, partition: int = 0
) -> None:
    client = await dial(network, sim.spu_addresses[spu])
    assert not (await client.produce(TOPIC, partition, *values)).error_code


async def test_a_partition_is_followed_to_its_new_leader_from_the_same_offset_on(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with tailing(network, spus=2) as (sim, printed):
        sim.move_leader(TOPIC, 0, 1)
        await produce(network, sim, b"a", b"b", spu=1)
        await trio.sleep(2 * LOOK_S)
    note = f"note: greetings/0 is led by the SPU at {sim.spu_addresses[1]} now"
    assert printed.lines == ["0@0  a", note, "0@1  a  <- resent, first at 0@0", "0@2  b"]


async def test_a_restart_of_the_spu_is_one_line_however_long_it_takes(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with tailing(network) as (sim, printed):
        await sim.stop_spu(0)
        await trio.sleep(100)
        await sim.start_spu(0)
        await produce(network, sim, b"b")
        await trio.sleep(RETRY_S_MAX + 2 * LOOK_S)
        note = f"note: the SPU at {sim.spu_addresses[0]} closed the connection; tail tries again"
        assert printed.lines == ["0@0  a", note, "0@1  b"]
        await sim.stop_spu(0)
        await trio.sleep(LOOK_S)
    assert printed.lines[3:] == [note], "a new outage is told anew"


async def test_a_restart_of_the_sc_is_one_line_and_records_go_on_meanwhile(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults = [{"refuse": {"server": "sc", "how": "rst", "between": ["1s", "100s"]}}]
    async with tailing(network, faults=faults) as (sim, printed):
        await trio.sleep(LOOK_S)
        sim.cut("sc")
        await trio.sleep(50)
        await produce(network, sim, b"b")
        await trio.sleep(LOOK_S)
        told = printed.lines[1]
        assert told.startswith("note: the SC at ")
        assert told.endswith("; tail tries again")
        assert printed.lines == ["0@0  a", told, "0@1  b"]
        await trio.sleep(50 + RETRY_S_MAX)
        sim.add_partitions(TOPIC, 1)
        await produce(network, sim, b"c", partition=1)
        await trio.sleep(2 * LOOK_S)
    assert printed.lines[3:] == ["1@0  c"]


async def test_partitions_that_are_added_are_followed_from_their_beginning(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    for options, lines in (
        ({"start": "end"}, ["1@0  b"]),
        ({"partitions": (0,)}, ["0@0  a"]),
    ):
        async with tailing(network, options) as (sim, printed):
            sim.add_partitions(TOPIC, 1)
            await trio.sleep(LOOK_S / 4)
            await produce(network, sim, b"b", partition=1)
            await trio.sleep(2 * LOOK_S)
        assert printed.lines == lines


async def test_a_topic_that_is_deleted_is_waited_for_and_begins_anew(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with tailing(network) as (sim, printed):
        sim.delete_topic(TOPIC)
        await trio.sleep(100)
        note = "note: the topic greetings was deleted; tail waits until it is created again"
        assert printed.lines == ["0@0  a", note]
        sim.create_topic(TOPIC, 1)
        await produce(network, sim, b"a")
        await trio.sleep(2 * LOOK_S)
        again = "note: the topic greetings was created again"
        assert printed.lines[2:] == [again, "0@0  a"]
        sim.delete_topic(TOPIC)
        sim.create_topic(TOPIC, 1)
        await produce(network, sim, b"a")
        await trio.sleep(2 * LOOK_S)
    assert printed.lines[4:] == [note, again, "0@0  a"]


async def test_a_partition_without_a_leader_is_told_and_waited_for(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim, trio.open_nursery() as nursery:
        await sim.stop_spu(0)
        await trio.sleep(5)
        printed = Printed(network, sim, count=1)
        nursery.start_soon(printed.tail.run)
        await trio.sleep(100)
        assert printed.lines == ["note: greetings/0 has no leader that is online; tail waits"]
        await sim.start_spu(0)
        await produce(network, sim, b"a")
    assert printed.lines[1:] == ["0@0  a"]


async def test_an_error_code_is_told_once_and_other_partitions_go_on(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    match = {"api": "stream-fetch", "partition": 0}
    faults = [{"error": {"code": "StorageError", "limit": 4, "match": match}}]
    async with tailing(network, faults=faults, topics={TOPIC: 2}) as (sim, printed):
        (told,) = printed.lines
        address = sim.spu_addresses[0]
        assert told == (
            f"note: greetings/0: the SPU at {address} answered with an error: StorageError;"
            " tail tries again"
        )
        await produce(network, sim, b"b", partition=1)
        await trio.sleep(0.1)
        assert printed.lines[1:] == ["1@0  b"]
        await trio.sleep(4 * RETRY_S_MAX)
    assert printed.lines[2:] == ["0@0  a"]


async def test_a_leader_that_lacks_records_is_followed_from_the_end_of_its_log(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with tailing(network) as (sim, printed):
        await produce(network, sim, b"b", b"c")
        await trio.sleep(0.1)
        assert len(printed.lines) == 3
        log = sim.cluster.partition(TOPIC, 0)
        assert log is not None
        log.log.truncate(1)
        log.log.commit(1)
        await sim.stop_spu(0)
        await sim.start_spu(0)
        await trio.sleep(4 * RETRY_S_MAX)
        await produce(network, sim, b"d", b"b")
        await trio.sleep(RETRY_S_MAX)
    closed, behind = printed.lines[3:5]
    assert closed.endswith("closed the connection; tail tries again")
    address = sim.spu_addresses[0]
    assert behind == (
        f"note: greetings/0: the SPU at {address} has no offset 3; tail goes on from 1, where its"
        " log ended"
    )
    assert printed.lines[5:] == ["0@1  d", "0@2  b"], "the first b is gone"


async def test_records_that_are_evicted_before_they_are_read_are_told(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with tailing(network, retain=250) as (sim, printed):
        partition = sim.cluster.partition(TOPIC, 0)
        assert partition is not None
        for n in range(1, 9):
            partition.log.append(record_set(batch(b"%d" % n)))
            partition.log.evict(0.0)
        await trio.sleep(RETRY_S_MAX + 2 * LOOK_S)
        first = partition.log.start_offset
    assert first > 2
    note = (
        f"note: greetings/0: the records from 1 to {first - 1} were evicted before tail read them"
    )
    assert printed.lines[0] == "0@0  a"
    assert printed.lines[2:] == [note, *(f"0@{n}  {n}" for n in range(first, 9))]


async def test_an_spu_that_does_not_answer_is_told_once_and_tried_again(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults = [{"drop": {"limit": 3, "match": {"api": "fetch-offsets"}}}]
    async with tailing(network, faults=faults) as (sim, printed):
        await trio.sleep(5 * (ANSWER_S + RETRY_S_MAX))
        address = sim.spu_addresses[0]
    told = f"note: the SPU at {address} did not answer within 10 s; tail tries again"
    assert printed.lines == [told, "0@0  a"]


async def test_pauses_grow_with_failures_in_a_row_to_a_limit(autojump_clock: MockClock) -> None:
    tail, pauses = PartitionTail(0, "beginning"), list[float]()
    for number in range(6):
        assert tail.failed() == (number == 0)
        pauses.append(tail.not_before - trio.current_time())
    assert pauses == [RETRY_S_MIN, 2.0, 4.0, RETRY_S_MAX, RETRY_S_MAX, RETRY_S_MAX]
    tail.recovered()
    assert tail.failed()
    assert tail.not_before - trio.current_time() == pytest.approx(RETRY_S_MIN)
