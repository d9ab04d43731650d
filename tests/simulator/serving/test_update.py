"""Topics that an admin client changes, over real frames."""

from typing import Any

import pytest
from trio.testing import MockClock

from simulator import open_simulator
from simulator.cluster.cluster import PARTITIONS_MAX
from simulator.events import PartitionsAdded
from simulator.faults.kinds.error import Error
from simulator.faults.model import Match
from tests.simulator.admin import create, delete, simulated, update, watch
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import CREATE, DELETE, UPDATE, WATCH
from wire.api.admin import (
    CreateRequest,
    CreateTopic,
    MirrorToAdd,
    PartitionsToAdd,
    UpdateRequest,
    UpdateTopic,
)
from wire.api.envelope import PARTITION, SMART_MODULE, TOPIC, seal
from wire.api.objects import PartitionUpdate
from wire.api.partition import PartitionResolution
from wire.api.topic import Assigned, AssignedPartition, TopicSpec
from wire.error_code import Code, ErrorCode, Other, SystemSpecUpdatingAttempt

Action = PartitionsToAdd | MirrorToAdd


def updating(name: str, action: Action, version: int = 19) -> UpdateRequest:
    return UpdateRequest(object=seal(TOPIC, UpdateTopic(name=name, action=action), version))


async def test_the_bytes_of_a_request_and_of_its_answer(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    asked = (
        "00000026 03ee 0013 00000009 0006 666c7576696f 0005 546f706963"
        "0000000b 0004 6e657774 00 00000002"
    )
    answered = "0000000d 00000009 0004 6e657774 0000 00"
    async with simulated(network, spus=2) as sim:
        client = await dial(network, sim.address)
        await client.call(CREATE, create("newt"))
        await client.stream.send_all(bytes.fromhex(asked))
        correlation_id, body = await client.answer()
        leaders = [partition.leader for partition in sim.cluster.topics["newt"].partitions]
        producer = await dial(network, sim.spu_addresses[1])
        stored = await producer.produce("newt", 1, b"a")
        added = [event for event in sim.events if isinstance(event, PartitionsAdded)]
    assert correlation_id.to_bytes(4, "big") + body == bytes.fromhex(answered)[4:]
    assert leaders == [0, 1, 0]
    assert stored.error_code is Code.NONE
    assert [(e.topic, e.first, e.leaders) for e in added] == [("newt", 1, (1, 0))]


async def test_watches_hear_of_the_new_partitions_before_the_answer(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        watch_id = await client.send(WATCH, watch(PARTITION))
        await client.answer()
        update_id = await client.send(UPDATE, updating("greetings", PartitionsToAdd(count=2)))
        (first, second) = [(await update(client, PartitionUpdate)).changes for _ in range(2)]
        assert (await client.answer())[0] == update_id != watch_id
    assert [c.content.name for c in first] == ["greetings-1", "greetings-2"]
    assert [c.content.name for c in second] == ["greetings-1", "greetings-2"]
    assert [c.content.status.resolution for c in second] == [PartitionResolution.ONLINE] * 2


@pytest.mark.parametrize("version", range(11, 20))
async def test_partitions_are_added_at_every_version(
    network: MemoryNetwork, autojump_clock: MockClock, version: int
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        request = updating("greetings", PartitionsToAdd(count=3), version)
        status = await client.call(UPDATE, request, version)
        assert len(sim.cluster.topics["greetings"].partitions) == 4
    assert (status.name, status.error_code, status.error_message) == ("greetings", Code.NONE, None)


@pytest.mark.parametrize(
    ("name", "action", "code", "text"),
    [
        ("unknown", PartitionsToAdd(count=1), Code.TOPIC_NOT_FOUND, "not found"),
        (
            "consumer-offset",
            PartitionsToAdd(count=1),
            SystemSpecUpdatingAttempt(kind="topic", name="consumer-offset"),
            None,
        ),
        (
            "by-hand",
            PartitionsToAdd(count=1),
            Code.TOPIC_INVALID_REPLICA_TYPE,
            "invalid replica type",
        ),
        (
            "greetings",
            PartitionsToAdd(count=PARTITIONS_MAX),
            Code.TOPIC_ERROR,
            f"more than {PARTITIONS_MAX} partitions in this simulator",
        ),
        (
            "greetings",
            MirrorToAdd(remote_cluster="edge", home_to_mirror=False),
            Code.MIRROR_NOT_FOUND,
            "not found",
        ),
        (
            "unknown",
            MirrorToAdd(remote_cluster="edge", home_to_mirror=True),
            Code.TOPIC_NOT_FOUND,
            "not found",
        ),
    ],
)
async def test_a_change_that_cannot_be_made_is_refused_and_nothing_changes(
    network: MemoryNetwork,
    autojump_clock: MockClock,
    name: str,
    action: Action,
    code: ErrorCode,
    text: str | None,
) -> None:
    by_hand = TopicSpec(replicas=Assigned(partitions=[AssignedPartition(id=0, replicas=[5001])]))
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        body = CreateTopic(name="by-hand", spec=by_hand)
        await client.call(CREATE, CreateRequest(object=seal(TOPIC, body, 19)))
        before = [partition.name for partition in sim.cluster.partitions()]
        status = await client.call(UPDATE, updating(name, action))
        assert [partition.name for partition in sim.cluster.partitions()] == before
    assert (status.name, status.error_code, status.error_message) == (name, code, text)


async def test_an_object_of_another_type_cannot_be_changed(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        request = UpdateRequest(object=seal(SMART_MODULE, PartitionsToAdd(count=1), 19))
        status = await client.call(UPDATE, request)
    assert (status.name, status.error_code) == (
        "update error",
        Other(text="unknown admin object type"),
    )


@pytest.mark.parametrize(("at", "partitions"), [("request", 1), ("response", 2)])
async def test_an_error_refuses_a_change_as_a_whole(
    network: MemoryNetwork, autojump_clock: MockClock, at: Any, partitions: int
) -> None:
    fault = Error(at=at, code="UnknownServerError", match=Match(api="update"))
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.address)
        status = await client.call(UPDATE, updating("greetings", PartitionsToAdd(count=1)))
        assert len(sim.cluster.topics["greetings"].partitions) == partitions
    assert (status.name, status.error_code) == ("greetings", Code.UNKNOWN_SERVER_ERROR)


async def test_what_was_added_goes_with_its_topic(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        await client.call(UPDATE, updating("greetings", PartitionsToAdd(count=2)))
        await client.call(DELETE, delete("greetings"))
        assert [p.name for p in sim.cluster.partitions()] == ["consumer-offset-0"]
