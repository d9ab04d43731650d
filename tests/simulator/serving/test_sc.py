"""What the SC answers, over real frames."""

from typing import Any

import pytest
from trio.testing import MockClock

from simulator.cluster.cluster import topic_of
from simulator.events import ConnectionClosed
from simulator.handlers.watch import WATCHES_MAX
from tests.simulator.admin import create, delete, listing, simulated, update, watch
from tests.simulator.memory import MemoryNetwork, dial
from wire.address import parse_address
from wire.api import CREATE, DELETE, LIST, WATCH
from wire.api.admin import (
    CreateRequest,
    CreateTopic,
    DeleteRequest,
    DeleteTopic,
    ListFilter,
    ListRequest,
)
from wire.api.envelope import (
    CUSTOM_SPU,
    MIRROR,
    PARTITION,
    SMART_MODULE,
    SPU,
    SPU_GROUP,
    TABLE_FORMAT,
    TOPIC,
    Envelope,
    seal,
)
from wire.api.objects import (
    ChangeKind,
    CustomSpus,
    Partitions,
    PartitionUpdate,
    Spus,
    SpuUpdate,
    Topics,
    TopicUpdate,
)
from wire.api.partition import PartitionResolution
from wire.api.spu import SpuResolution
from wire.codec import decode
from wire.error_code import (
    Code,
    ErrorCode,
    Other,
    SmartModuleNotFound,
    SystemSpecDeletionAttempt,
)


async def test_the_offer_is_exactly_what_is_implemented(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        sc = await dial(network, sim.address)
        spu = await dial(network, sim.spu_addresses[0])
    offers = [
        [(k.api_key, k.min_version, k.max_version) for k in client.offered.api_keys]
        for client in (sc, spu)
    ]
    assert offers == [
        [(1001, 11, 19), (1002, 11, 19), (1003, 15, 19), (1004, 15, 19), (1006, 11, 19)],
        [(0, 0, 25), (1, 0, 25), (1002, 25, 25), (1003, 19, 25), (1005, 0, 0)],
    ]
    assert [sc.offered.platform_version, spu.offered.platform_version] == ["0.18.1", "0.0.0"]


@pytest.mark.parametrize("version", ["", "one", "1.2", "01.2.3"])
async def test_an_sc_closes_on_a_client_version_that_is_not_semver(
    network: MemoryNetwork, autojump_clock: MockClock, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wire.connection.CLIENT_VERSION", version)
    client_id = f"of version {version}"  # the first request of each client is framed once
    async with simulated(network) as sim:
        with pytest.raises(EOFError):
            await dial(network, sim.address, client_id)
        await dial(network, sim.spu_addresses[0], client_id)


@pytest.mark.parametrize("version", range(15, 20))
async def test_watches_and_lists_are_answered_at_every_version(
    network: MemoryNetwork, autojump_clock: MockClock, version: int
) -> None:
    async with simulated(network, topics={"t": 2}) as sim:
        client = await dial(network, sim.address)
        await client.send(WATCH, watch(PARTITION, version), version)
        everything = (await update(client, PartitionUpdate, version)).all
        assert [p.name for p in everything] == ["consumer-offset-0", "t-0", "t-1"]
        request = ListRequest(object=seal(TOPIC, ListFilter(), version))
        answer = await client.call(LIST, request, version)
        assert [t.name for t in answer.object.open(Topics, version).objects] == ["t"]


async def test_the_first_answer_to_a_watch_tells_all_and_where_to_connect(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    async with simulated(network, spus=2, topics={"t": 2}, advertise="example.test") as sim:
        client = await dial(network, sim.address)
        for label in (SPU, PARTITION, TOPIC):
            await client.send(WATCH, watch(label))
        spus = (await update(client, SpuUpdate)).all
        partitions = (await update(client, PartitionUpdate)).all
        topics = (await update(client, TopicUpdate)).all
        ports = [parse_address(address).port for address in sim.spu_addresses]
    endpoints = [s.spec.public_endpoint for s in spus]
    assert [s.spec.id for s in spus] == [5001, 5002]
    assert [(e.ingress[0].hostname, e.port) for e in endpoints] == [
        ("example.test", port) for port in ports
    ]
    assert [(p.name, p.spec.leader) for p in partitions] == [
        ("consumer-offset-0", 5001),
        ("t-0", 5001),
        ("t-1", 5002),
    ]
    assert {p.status.resolution for p in partitions} == {PartitionResolution.ONLINE}
    assert {t.name: t.status.replica_map for t in topics} == {
        "consumer-offset": {0: [5001]},
        "t": {0: [5001], 1: [5002]},
    }


async def test_watches_hear_of_topics_that_come_and_go_under_their_correlation_ids(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    async with simulated(network) as sim:
        watcher, admin = [await dial(network, sim.address) for _ in range(2)]
        topic_id = await watcher.send(WATCH, watch(TOPIC))
        partition_id = await watcher.send(WATCH, watch(PARTITION))
        for _ in range(2):
            await watcher.answer()
        await admin.call(CREATE, create("newt", partitions=2))
        await admin.call(DELETE, delete("newt"))
        heard = await watcher.answers_within(1.0)
    found = []
    for correlation_id, body in heard:
        cls: Any = TopicUpdate if correlation_id == topic_id else PartitionUpdate
        news = decode(WATCH.response, body, 19).object.open(cls, 19)
        assert news.all == []
        found.append((correlation_id, [(c.kind, c.content.name) for c in news.changes]))
    new, gone = ChangeKind.UPDATE, ChangeKind.DELETE
    assert found == [
        *((topic_id, [(new, "newt")]) for _ in range(3)),
        (partition_id, [(new, "newt-0"), (new, "newt-1")]),
        (topic_id, [(new, "newt")]),
        (partition_id, [(new, "newt-0"), (new, "newt-1")]),
        (partition_id, [(gone, "newt-0"), (gone, "newt-1")]),
        (topic_id, [(gone, "newt")]),
    ]


async def test_news_of_a_topic_leaves_before_the_answer_to_its_creation(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        watch_id = await client.send(WATCH, watch(PARTITION))
        await client.answer()
        create_id = await client.send(CREATE, create("newt"))
        order = [correlation_id for correlation_id, _ in await client.answers_within(1.0)]
    assert order == [watch_id, watch_id, create_id]


async def test_watches_hear_of_a_moved_leader_and_of_an_spu_that_goes_and_comes(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    async with simulated(network, spus=2) as sim:
        client = await dial(network, sim.address)
        await client.send(WATCH, watch(PARTITION))
        await update(client, PartitionUpdate)
        sim.move_leader("greetings", 0, to=1)
        (moved,) = (await update(client, PartitionUpdate)).changes
        await sim.stop_spu(1)
        (away,) = (await update(client, PartitionUpdate)).changes
        await sim.start_spu(1)
        (back,) = (await update(client, PartitionUpdate)).changes
        request = LIST, listing(SPU)
        spus = (await client.call(*request)).object.open(Spus, 19).objects
    assert moved.content.spec.leader == 5002
    assert away.content.status.resolution is PartitionResolution.LEADER_OFFLINE
    assert back.content.status.resolution is PartitionResolution.ONLINE
    assert [spu.status.resolution for spu in spus] == [SpuResolution.ONLINE] * 2


async def test_a_connection_has_so_many_watches_and_not_one_more(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        for _ in range(WATCHES_MAX):
            await client.call(WATCH, watch(TOPIC))
        await client.send(WATCH, watch(TOPIC))
        with pytest.raises(EOFError):
            await client.answer()
        closed = sim.events[-1]
        assert isinstance(closed, ConnectionClosed)
        assert closed.error == f"more than {WATCHES_MAX} watches on one connection"


@pytest.mark.parametrize(
    ("label", "names", "system", "expected"),
    [
        (TOPIC, [], False, ["alpha", "beta"]),
        (TOPIC, [], True, ["consumer-offset"]),
        (TOPIC, ["et"], False, ["beta"]),
        (TOPIC, ["et", "alpha"], False, ["alpha", "beta"]),
        (TOPIC, ["gamma"], False, []),
        (PARTITION, ["ignored"], False, ["alpha-0", "beta-0"]),
        (SPU, [], False, ["custom-spu-5001"]),
        (SPU, ["5002"], False, []),
        (CUSTOM_SPU, [], False, ["custom-spu-5001"]),
        (CUSTOM_SPU, ["5002"], False, []),
        ("SmartModule", [], False, []),
    ],
)
async def test_a_list_holds_what_its_filters_select(
    network: MemoryNetwork,
    autojump_clock: MockClock,
    label: str,
    names: list[str],
    system: bool,
    expected: list[str],
) -> None:
    families: dict[str, Any] = {
        TOPIC: Topics,
        PARTITION: Partitions,
        SPU: Spus,
        CUSTOM_SPU: CustomSpus,
    }
    async with simulated(network, topics={"alpha": 1, "beta": 1}) as sim:
        client = await dial(network, sim.address)
        answer = await client.call(LIST, listing(label, *names, system=system))
    assert answer.object.label == label
    found = answer.object.open(families.get(label, Topics), 19).objects
    assert [thing.name for thing in found] == expected


async def test_a_topic_is_created_checked_and_deleted(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        dry = await client.call(CREATE, create("newt", dry_run=True))
        assert "newt" not in sim.cluster.topics
        created = await client.call(CREATE, create("newt"))
        again = await client.call(CREATE, create("newt"))
        deleted = await client.call(DELETE, delete("newt"))
        missing = await client.call(DELETE, delete("newt"))
    found = [(s.name, s.error_code, s.error_message) for s in (dry, created, deleted)]
    assert found == [("newt", Code.NONE, None)] * 3
    assert (again.error_code, again.error_message) == (
        Code.TOPIC_ALREADY_EXISTS,
        "Topic 'newt' already exists",
    )
    assert (missing.error_code, missing.error_message) == (Code.TOPIC_NOT_FOUND, "not found")


@pytest.mark.parametrize(("api", "request_of"), [(CREATE, CreateRequest), (DELETE, DeleteRequest)])
async def test_an_object_that_is_no_topic_is_refused_with_a_status(
    network: MemoryNetwork, autojump_clock: MockClock, api: Any, request_of: Any
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        status = await client.call(api, request_of(object=Envelope(label="Nonsense", body=b"")))
    assert status.error_code == Other(text="unknown admin object type")


@pytest.mark.parametrize("label", [SPU_GROUP, SMART_MODULE, TABLE_FORMAT])
async def test_a_watch_of_objects_that_there_are_none_of_stays_silent(
    network: MemoryNetwork, autojump_clock: MockClock, label: str
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        await client.send(WATCH, watch(label))
        first = await update(client, TopicUpdate)
        assert (first.epoch, first.changes, first.all) == (0, [], [])
        sim.create_topic("newt")
        assert await client.answers_within(1.0) == []


@pytest.mark.parametrize("label", [CUSTOM_SPU, MIRROR])
async def test_a_watch_of_custom_spus_or_mirrors_closes_the_connection(
    network: MemoryNetwork, autojump_clock: MockClock, label: str
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        await client.send(WATCH, watch(label))
        with pytest.raises(EOFError):
            await client.answer()


async def test_each_type_of_object_has_an_epoch_of_its_own(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        for label in (SPU, PARTITION, TOPIC):
            await client.send(WATCH, watch(label))
        spus = (await update(client, SpuUpdate)).epoch
        partitions = (await update(client, PartitionUpdate)).epoch
        topics = (await update(client, TopicUpdate)).epoch
        sim.move_leader("greetings", 0, to=0)
        assert (await update(client, PartitionUpdate)).epoch == partitions + 1
        again = await dial(network, sim.address)
        await again.send(WATCH, watch(SPU))
        await again.send(WATCH, watch(TOPIC))
        assert (await update(again, SpuUpdate)).epoch == spus
        assert (await update(again, TopicUpdate)).epoch == topics


@pytest.mark.parametrize("version", range(11, 20))
async def test_topics_are_created_and_deleted_at_every_version(
    network: MemoryNetwork, autojump_clock: MockClock, version: int
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        body = CreateTopic(name="newt", spec=topic_of(3))
        made = CreateRequest(object=seal(TOPIC, body, version))
        assert (await client.call(CREATE, made, version)).error_code is Code.NONE
        assert len(sim.cluster.topics["newt"].partitions) == 3
        gone = DeleteRequest(object=seal(TOPIC, DeleteTopic(name="newt"), version))
        assert (await client.call(DELETE, gone, version)).error_code is Code.NONE
        assert "newt" not in sim.cluster.topics


@pytest.mark.parametrize(
    ("label", "code", "text"),
    [
        (SPU_GROUP, Code.SPU_NOT_FOUND, "not found"),
        (SMART_MODULE, SmartModuleNotFound(name="it"), "not found"),
        (TABLE_FORMAT, Code.TABLE_FORMAT_NOT_FOUND, "not found"),
        (MIRROR, Code.MIRROR_NOT_FOUND, 'remote cluster "it" not found'),
    ],
)
async def test_an_object_that_is_not_there_cannot_be_deleted(
    network: MemoryNetwork, autojump_clock: MockClock, label: str, code: ErrorCode, text: str
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        request = DeleteRequest(object=seal(label, DeleteTopic(name="it"), 19))
        status = await client.call(DELETE, request)
    assert (status.name, status.error_code, status.error_message) == ("it", code, text)


async def test_a_system_topic_is_refused_without_a_text(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        status = await client.call(DELETE, delete("consumer-offset"))
    assert status.error_code == SystemSpecDeletionAttempt(kind="topic", name="consumer-offset")
    assert status.error_message is None


async def test_a_name_of_nothing_is_a_name(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.address)
        dry = await client.call(CREATE, create("", dry_run=True))
    assert (dry.name, dry.error_code, dry.error_message) == ("", Code.NONE, None)
