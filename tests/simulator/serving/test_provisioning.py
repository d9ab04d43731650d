"""The creation of topics as a real SC answers it, and the wait for their partitions."""

import pytest
import trio
from trio.testing import MockClock

from simulator.events import TopicCreated, TopicDeleted
from tests.simulator.admin import create, delete, listing, simulated, update, watch
from tests.simulator.client import Client
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import CREATE, DELETE, LIST, WATCH
from wire.api.admin import CreateRequest, CreateTopic, Status
from wire.api.envelope import TOPIC, seal
from wire.api.objects import Topics, TopicUpdate
from wire.api.topic import Assigned, AssignedPartition, Computed, Replicas, TopicSpec
from wire.codec import decode
from wire.error_code import Code

REAL = [
    (
        "0000005203e90013000000040006666c7576696f0005546f706963000000370011676f6c64656e2d61646d696e"
        "2d363135380000010000000200000002010100000151800101001e8480010000000001312d00040000",
        "0000001a000000040011676f6c64656e2d61646d696e2d36313538000000",
    ),
    (
        "0000004603e900130000000a0006666c7576696f0005546f7069630000002b0005555050455200000100000002"
        "00000002010100000151800101001e8480010000000001312d00040000",
        "000000620000000a0005555050455207d6010052496e76616c696420746f706963206e616d653a202755505045"
        "52272e20436f6e7461696e206f6e6c79206c6f7765726361736520616c7068616e756d65726963206368617261"
        "6374657273206f7220272d27",
    ),
    (
        "0000005203e90013000000040006666c7576696f0005546f706963000000370011676f6c64656e2d61646d696e"
        "2d363135380000010000000200000002010100000151800101001e8480010000000001312d00040000",
        "00000044000000040011676f6c64656e2d61646d696e2d3631353807d2010028546f7069632027676f6c64656e"
        "2d61646d696e2d363135382720616c726561647920657869737473",
    ),
    (
        "0000002f03ea00130000000c0006666c7576696f0005546f706963000000140011676f6c64656e2d61646d696e"
        "2d3631353800",
        "0000001a0000000c0011676f6c64656e2d61646d696e2d36313538000000",
    ),
    (
        "0000002f03ea00130000000d0006666c7576696f0005546f706963000000140011676f6c64656e2d61646d696e"
        "2d3631353800",
        "000000250000000d0011676f6c64656e2d61646d696e2d3631353807d10100096e6f7420666f756e64",
    ),
]
"""What the official client asked a real SC with two SPUs, and what the SC answered: a topic with
two partitions of two replicas is created, one with a bad name, the first one again, and it is
deleted twice."""


async def test_a_recorded_session_is_answered_byte_for_byte(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, spus=2) as sim:
        client = await dial(network, sim.address)
        for asked, answered in REAL:
            await client.stream.send_all(bytes.fromhex(asked))
            expected = bytes.fromhex(answered)
            correlation_id, body = await client.answer()
            assert correlation_id == int.from_bytes(expected[4:8], "big")
            assert body == expected[8:]


def creating(name: str, replicas: Replicas, *, dry_run: bool = False) -> CreateRequest:
    body = CreateTopic(name=name, dry_run=dry_run, spec=TopicSpec(replicas=replicas))
    return CreateRequest(object=seal(TOPIC, body, 19))


async def timed(client: Client, request: CreateRequest) -> tuple[float, Status]:
    """How long the answer took, and the answer."""
    begun = trio.current_time()
    status = await client.call(CREATE, request)
    return trio.current_time() - begun, status


TOO_MANY = Computed(partitions=2, replication_factor=3)


async def test_a_topic_with_too_many_replicas_is_answered_after_90_seconds_and_exists(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, spus=2) as sim:
        client, other = [await dial(network, sim.address) for _ in range(2)]
        dry = await client.call(CREATE, creating("t", TOO_MANY, dry_run=True))
        assert dry.error_code is Code.NONE
        assert "t" not in sim.cluster.topics
        took, status = await timed(client, creating("t", TOO_MANY))
        assert took == pytest.approx(90.0, abs=0.01)
        assert (status.error_code, status.error_message) == (
            Code.TOPIC_NOT_PROVISIONED,
            "only 0 out of 2 provisioned",
        )
        [topic] = (await other.call(LIST, listing(TOPIC, "t"))).object.open(Topics, 19).objects[1:]
        assert (topic.name, topic.status.resolution.name) == ("t", "INSUFFICIENT_RESOURCES")
        assert topic.status.replica_map == {}
        assert (await other.call(DELETE, delete("t"))).error_code is Code.NONE
        assert (await other.call(CREATE, create("t"))).error_code is Code.NONE
        events = [e for e in sim.events if isinstance(e, TopicCreated | TopicDeleted)]
    assert [(type(e), getattr(e, "leaders", None)) for e in events if e.topic == "t"] == [
        (TopicCreated, ()),
        (TopicDeleted, None),
        (TopicCreated, (0,)),
    ]


async def test_the_wait_can_be_shorter_and_holds_up_its_own_connection_only(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, topic_wait="2s") as sim:
        client, other = [await dial(network, sim.address) for _ in range(2)]
        begun = trio.current_time()
        create_id = await client.send(CREATE, creating("t", TOO_MANY))
        list_id = await client.send(LIST, listing(TOPIC))
        watch_id = await other.send(WATCH, watch(TOPIC))
        assert (await other.answer())[0] == watch_id
        assert trio.current_time() - begun < 0.1
        assert (await client.answer())[0] == create_id
        assert trio.current_time() - begun == pytest.approx(2.0, abs=0.01)
        assert (await client.answer())[0] == list_id


async def test_a_wait_ends_with_the_simulator(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    begun = trio.current_time()
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        await client.send(CREATE, creating("t", TOO_MANY))
        await trio.sleep(1)
    assert trio.current_time() - begun < 2


@pytest.mark.parametrize(("away", "took"), [(5.0, 5.0), (100.0, 90.0)])
async def test_the_creation_of_a_topic_waits_for_an_spu_that_is_away(
    network: MemoryNetwork, autojump_clock: MockClock, away: float, took: float
) -> None:
    async with simulated(network, spus=2) as sim:
        client = await dial(network, sim.address)
        await sim.stop_spu(1)
        found: list[tuple[float, Status]] = []

        async def ask(name: str, spus: list[int]) -> None:
            on = [AssignedPartition(id=n, replicas=[spu]) for n, spu in enumerate(spus)]
            found.append(await timed(client, creating(name, Assigned(partitions=on))))

        await ask("here", [5001])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "away", [5001, 5002])
            await trio.sleep(away)
            await sim.start_spu(1)
    assert found[0][0] < 0.01
    assert took <= found[1][0] < took + 0.41
    expected = None if took < 90 else "only 1 out of 2 provisioned"
    assert found[1][1].error_message == expected


async def test_a_topic_that_is_deleted_meanwhile_is_not_provisioned(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, topic_wait=3.0) as sim:
        client, other = [await dial(network, sim.address) for _ in range(2)]
        await sim.stop_spu(0)
        await client.send(CREATE, create("t"))
        await trio.sleep(1)
        assert (await other.call(DELETE, delete("t"))).error_code is Code.NONE
        sim.create_topic("t")
        await sim.start_spu(0)
        status = decode(Status, (await client.answer())[1], 19)
    assert status.error_message == "only 0 out of 1 provisioned"


async def test_news_of_a_topic_without_spus_says_so(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        watcher, admin = [await dial(network, sim.address) for _ in range(2)]
        await watcher.send(WATCH, watch(TOPIC))
        await update(watcher, TopicUpdate)
        await admin.send(CREATE, creating("t", TOO_MANY))
        news = [(await update(watcher, TopicUpdate)).changes[0].content.status for _ in range(3)]
    states = [(status.resolution.name, status.reason) for status in news]
    assert states == [
        ("INIT", ""),
        ("PENDING", "waiting for live spus"),
        ("INSUFFICIENT_RESOURCES", ""),
    ]
