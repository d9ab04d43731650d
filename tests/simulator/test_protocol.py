"""What the servers answer, over real frames: the behaviour of an SC and an SPU without faults."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from simulator import Simulator, open_simulator
from simulator.handlers.fetch import RESPONSE_BYTES_MAX
from simulator.handlers.watch import WATCHES_MAX
from tests.simulator.client import Client, batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import CREATE, DELETE, FETCH, LIST, PRODUCE, WATCH
from wire.api.admin import (
    CreateRequest,
    CreateTopic,
    DeleteRequest,
    DeleteTopic,
    ListFilter,
    ListRequest,
    NameFilter,
    WatchOptions,
    WatchRequest,
)
from wire.api.envelope import PARTITION, SPU, TOPIC, Envelope, seal
from wire.api.fetch import FetchPartition, FetchRequest, FetchTopic
from wire.api.objects import (
    ChangeKind,
    Partitions,
    PartitionUpdate,
    Spus,
    SpuUpdate,
    Topics,
    TopicUpdate,
)
from wire.api.partition import PartitionResolution
from wire.api.produce import READ_COMMITTED, PartitionRecords, ProduceRequest, TopicRecords
from wire.api.smartmodule import AdHoc, Params, PlainKind, Predefined, SmartModuleInvocation
from wire.api.spu import SpuResolution
from wire.api.topic import Computed, TopicSpec
from wire.batch import iter_batches
from wire.codec import decode, encode
from wire.compression import Codec
from wire.error_code import Code, Other, RequestTimedOut, SmartModuleNotFound
from wire.framing import RequestHeader


@asynccontextmanager
async def simulated(network: MemoryNetwork, **options: Any) -> AsyncIterator[Simulator]:
    async with open_simulator(listen=network.listen, **options) as sim:
        yield sim


def envelope(label: str, body: Any, version: int = 19) -> Envelope:
    return seal(label, body, version)


def create(name: str, partitions: int = 1, *, dry_run: bool = False) -> CreateRequest:
    spec = TopicSpec(replicas=Computed(partitions=partitions, replication_factor=1))
    return CreateRequest(object=envelope(TOPIC, CreateTopic(name=name, dry_run=dry_run, spec=spec)))


def delete(name: str) -> DeleteRequest:
    return DeleteRequest(object=envelope(TOPIC, DeleteTopic(name=name)))


def watch(label: str, version: int = 19) -> WatchRequest:
    return WatchRequest(object=envelope(label, WatchOptions(), version))


def listing(label: str, *names: str, system: bool = False) -> ListRequest:
    filters = ListFilter(name_filters=[NameFilter(name=name) for name in names], system=system)
    return ListRequest(object=envelope(label, filters))


async def update(client: Client, cls: type[Any], version: int = 19) -> Any:
    """The next news on a connection with one watch."""
    _, body = await client.answer()
    return decode(WATCH.response, body, version).object.open(cls, version)


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
        [(1001, 15, 19), (1002, 15, 19), (1003, 15, 19), (1004, 15, 19)],
        [(0, 8, 25), (1, 0, 25)],
    ]
    assert [sc.offered.platform_version, spu.offered.platform_version] == ["0.18.1", "0.0.0"]


@pytest.mark.parametrize("version", ["", "one", "1.2", "01.2.3"])
async def test_an_sc_closes_on_a_client_version_that_is_not_semver(
    network: MemoryNetwork, autojump_clock: MockClock, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wire.connection.CLIENT_VERSION", version)
    async with simulated(network) as sim:
        with pytest.raises(EOFError):
            await dial(network, sim.address)
        await dial(network, sim.spu_addresses[0])


@pytest.mark.parametrize("version", range(8, 26))
async def test_produce_is_answered_at_every_version(
    network: MemoryNetwork, autojump_clock: MockClock, version: int
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        for offset in (0, 2):
            request = produce_request(("greetings", 0, batch(b"a", b"b")))
            (result,) = (await client.call(PRODUCE, request, version)).topics[0].partitions
            assert (result.error_code, result.base_offset) == (Code.NONE, offset)
        assert [r.value for r in sim.log("greetings", 0)] == [b"a", b"b", b"a", b"b"]


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


async def test_a_request_with_zero_partitions_is_answered_with_its_topic(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        request = ProduceRequest(topics=[TopicRecords(name="greetings", partitions=[])])
        answer = await client.call(PRODUCE, request)
    assert [(topic.name, topic.partitions) for topic in answer.topics] == [("greetings", [])]


async def test_results_stand_where_their_entries_stood_repeated_partitions_too(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    entries = [(0, b"a"), (7, b"?"), (0, b"b"), (1, b"c"), (0, b"d")]
    request = ProduceRequest(
        topics=[
            TopicRecords(
                name="t",
                partitions=[
                    PartitionRecords(partition_index=i, records=batch(v)) for i, v in entries
                ],
            )
        ]
    )
    async with simulated(network, topics={"t": 2}) as sim:
        client = await dial(network, sim.spu_addresses[0])
        (topic,) = (await client.call(PRODUCE, request)).topics
        stored = [[r.value for r in sim.log("t", index)] for index in (0, 1)]
    found = [(p.partition_index, p.error_code, p.base_offset) for p in topic.partitions]
    assert found == [
        (0, Code.NONE, 0),
        (7, Code.NOT_LEADER_FOR_PARTITION, 0),
        (0, Code.NONE, 1),
        (1, Code.NONE, 0),
        (0, Code.NONE, 2),
    ]
    assert stored == [[b"a", b"b", b"d"], [b"c"]]


@pytest.mark.parametrize(("topic", "partition"), [("greetings", 1), ("nope", 0), ("", 0)])
async def test_what_an_spu_does_not_lead_or_know_is_not_its_own(
    network: MemoryNetwork, autojump_clock: MockClock, topic: str, partition: int
) -> None:
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        result = await client.produce(topic, partition, b"a")
    assert (result.error_code, result.base_offset) == (Code.NOT_LEADER_FOR_PARTITION, 0)


async def test_partitions_are_led_by_the_spus_in_turn(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, topics={"t": 4}, spus=2) as sim:
        clients = [await dial(network, address) for address in sim.spu_addresses]
        codes = [
            [(await client.produce("t", index, b"a")).error_code for index in range(4)]
            for client in clients
        ]
    mine, not_mine = Code.NONE, Code.NOT_LEADER_FOR_PARTITION
    assert codes == [[mine, not_mine, mine, not_mine], [not_mine, mine, not_mine, mine]]


async def test_a_moved_partition_goes_on_at_its_new_leader(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network, spus=2) as sim:
        old, new = [await dial(network, address) for address in sim.spu_addresses]
        await old.produce("greetings", 0, b"a")
        sim.move_leader("greetings", 0, to=1)
        refused = await old.produce("greetings", 0, b"x")
        taken = await new.produce("greetings", 0, b"b")
        stored = [(r.offset, r.value) for r in sim.log("greetings", 0)]
    assert refused.error_code is Code.NOT_LEADER_FOR_PARTITION
    assert (taken.error_code, taken.base_offset) == (Code.NONE, 1)
    assert stored == [(0, b"a"), (1, b"b")]


@pytest.mark.parametrize(
    ("delay_s", "timeout_ms", "code", "waited_s"),
    [
        (0.0, 1500, Code.NONE, 0.0),
        (0.5, 1500, Code.NONE, 0.5),
        (1.5, 1500, Code.NONE, 1.5),
        (2.0, 1500, RequestTimedOut(timeout_ms=1500), 1.5),
        (2.0, 0, RequestTimedOut(timeout_ms=0), 0.0),
    ],
)
async def test_read_committed_waits_for_the_commit_as_long_as_the_request_allows(
    network: MemoryNetwork,
    autojump_clock: MockClock,
    delay_s: float,
    timeout_ms: int,
    code: object,
    waited_s: float,
) -> None:
    async with simulated(network, commit_delay=delay_s) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.produce("greetings", 0, b"before")
        start = trio.current_time()
        result = await client.produce(
            "greetings", 0, b"a", acks=READ_COMMITTED, timeout_ms=timeout_ms
        )
        waited = trio.current_time() - start
        stored = [r.value for r in sim.log("greetings", 0)]
    assert (result.error_code, result.base_offset) == (code, 1)
    assert waited == pytest.approx(waited_s)
    assert stored == [b"before", b"a"]


async def test_each_entry_waits_its_whole_timeout_one_after_the_other(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    entries = [("t", index, batch(b"a")) for index in range(3)]
    request = produce_request(*entries, acks=READ_COMMITTED, timeout_ms=1000)
    async with simulated(network, topics={"t": 3}, commit_delay=2.5) as sim:
        client = await dial(network, sim.spu_addresses[0])
        start = trio.current_time()
        answer = await client.call(PRODUCE, request)
        waited = trio.current_time() - start
    # The first two give up after a second each; the third sees its commit half a second later.
    codes = [topic.partitions[0].error_code for topic in answer.topics]
    assert codes == [RequestTimedOut(timeout_ms=1000)] * 2 + [Code.NONE]
    assert waited == pytest.approx(2.5)


async def test_a_waiting_request_holds_back_those_behind_it_on_its_connection_only(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    async with simulated(network, commit_delay=1.0) as sim:
        first = await dial(network, sim.spu_addresses[0])
        second = await dial(network, sim.spu_addresses[0])
        start = trio.current_time()
        waiting = produce_request(("greetings", 0, batch(b"a")), acks=READ_COMMITTED)
        await first.send(PRODUCE, waiting)
        await first.send(PRODUCE, produce_request(("greetings", 0, batch(b"behind"))))
        await second.produce("greetings", 0, b"elsewhere")
        assert trio.current_time() == start
        ids = [(await first.answer())[0] for _ in range(2)]
        assert trio.current_time() == pytest.approx(start + 1.0)
        values = [r.value for r in sim.log("greetings", 0)]
    assert ids == [1, 2]
    assert values == [b"a", b"elsewhere", b"behind"]


async def test_a_leader_that_moves_during_the_wait_is_no_leader_at_its_end(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    async with simulated(network, spus=2, commit_delay=1.0) as sim:
        client = await dial(network, sim.spu_addresses[0])
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_move_after, sim, 0.5)
            result = await client.produce("greetings", 0, b"a", acks=READ_COMMITTED)
        stored = [r.value for r in sim.log("greetings", 0)]
    assert result.error_code is Code.NOT_LEADER_FOR_PARTITION
    assert stored == [b"a"]


async def _move_after(sim: Simulator, seconds: float) -> None:
    await trio.sleep(seconds)
    sim.move_leader("greetings", 0, to=1)


@pytest.mark.parametrize(
    ("invocation", "code"),
    [
        (Predefined(name="filter"), SmartModuleNotFound(name="filter")),
        (AdHoc(wasm=b"\x1f\x8b"), Other(text="this simulator runs no SmartModules")),
    ],
)
async def test_a_smartmodule_is_refused_and_nothing_stored(
    network: MemoryNetwork, autojump_clock: MockClock, invocation: Any, code: object
) -> None:
    request = produce_request(("greetings", 0, batch(b"a")))
    request.smartmodules = [
        SmartModuleInvocation(wasm=invocation, kind=PlainKind.FILTER, params=Params(inner={}))
    ]
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        (result,) = (await client.call(PRODUCE, request)).topics[0].partitions
        assert sim.log("greetings", 0) == []
    assert result.error_code == code


async def test_a_compression_that_does_not_exist_is_refused_without_closing(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    strange = bytearray(batch(b"a", codec=Codec.GZIP))
    strange[22] = 6
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        answer = await client.call(PRODUCE, produce_request(("greetings", 0, bytes(strange))))
        assert answer.topics[0].partitions[0].error_code is Code.COMPRESSION_ERROR
        assert (await client.produce("greetings", 0, b"a")).error_code is Code.NONE


async def test_what_was_produced_can_be_fetched_back(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    def fetch(offset: int, isolation: int = 0, partition: int = 0) -> FetchRequest:
        asked = FetchPartition(partition_index=partition, fetch_offset=offset, max_bytes=0)
        topics = [FetchTopic(name="greetings", partitions=[asked])]
        return FetchRequest(isolation=isolation, topics=topics)

    async with simulated(network, commit_delay=5.0) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.produce("greetings", 0, b"a", b"b")
        await client.produce("greetings", 0, b"c")

        async def fetched(request: FetchRequest) -> Any:
            return (await client.call(FETCH, request)).topics[0].partitions[0]

        everything = await fetched(fetch(0))
        committed = await fetched(fetch(0, isolation=1))
        await trio.sleep(5)
        committed_later = await fetched(fetch(2, isolation=1))
        beyond, before = await fetched(fetch(4)), await fetched(fetch(-1))
        elsewhere = await fetched(fetch(0, partition=9))
    offsets = [header.base_offset for header, _ in iter_batches(everything.records)]
    assert (offsets, everything.high_watermark) == ([0, 2], 0)
    assert bytes(committed.records) == b""
    assert [h.base_offset for h, _ in iter_batches(committed_later.records)] == [2]
    assert committed_later.high_watermark == 3
    assert beyond.error_code == Other(text="start offset: 4 is greater than leo: 3")
    assert before.error_code is Code.OFFSET_OUT_OF_RANGE
    assert elsewhere.error_code is Code.NOT_LEADER_FOR_PARTITION


async def test_one_small_fetch_cannot_ask_for_a_flood(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    asked = [FetchPartition(partition_index=0, fetch_offset=0, max_bytes=0)] * 100
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.produce("greetings", 0, bytes(3 * RESPONSE_BYTES_MAX // 4))
        request = FetchRequest(
            max_bytes=2**31 - 1, topics=[FetchTopic(name="greetings", partitions=asked)]
        )
        answers = (await client.call(FETCH, request)).topics[0].partitions
        partition = sim.cluster.partition("greetings", 0)
        assert partition is not None
        batch_bytes = partition.log.bytes
    # The second one still begins within the room, and a batch is never cut.
    assert [len(answer.records) for answer in answers] == [batch_bytes] * 2 + [0] * 98


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
        ports = [int(address.rpartition(":")[2]) for address in sim.spu_addresses]
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
        (partition_id, [(new, "newt-0"), (new, "newt-1")]),
        (topic_id, [(new, "newt")]),
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
    assert order == [watch_id, create_id]


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
        await sim.take_away(1)
        (away,) = (await update(client, PartitionUpdate)).changes
        await sim.bring_back(1)
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
        assert f"more than {WATCHES_MAX} watches" in str(sim.journal[-1].detail)


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
    families: dict[str, Any] = {TOPIC: Topics, PARTITION: Partitions, SPU: Spus}
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
        status = await client.call(api, request_of(object=Envelope(label="Mirror", body=b"")))
    assert status.error_code == Other(text="unknown admin object type")


def raw(api_key: int, body: str, version: int = 25) -> bytes:
    """A request whose body is any bytes, given in hex."""
    header = RequestHeader(api_key=api_key, api_version=version, correlation_id=1, client_id="test")
    payload = encode(header, 0) + bytes.fromhex(body)
    return len(payload).to_bytes(4, "big") + payload


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "a frame of 1195725856 bytes"),
        (b"\xff\xff\xff\xff", "a frame of -1 bytes"),
        (b"\x04\x00\x00\x01", "a frame of 67108865 bytes"),
        (b"\x00\x00\x00\x09", "a frame of 9 bytes"),
        (raw(4711, ""), "unknown api key 4711"),
        (raw(0, "02"), "2 where 0 .none. or 1 .some. stands"),
        (raw(0, "00 00 01"), "ends in the middle of a field"),
        (raw(0, "00 0001 ffffffff 00000000 00000000"), "a timeout of -1 ms"),
        (
            raw(0, "00 0001 00000000 00000001 000174 00000001 00000000 00000001 ff 00000000"),
            "a batch of 1 bytes has no whole header",
        ),
    ],
)
async def test_undecodable_input_ends_its_connection_and_no_other(
    network: MemoryNetwork, autojump_clock: MockClock, data: bytes, why: str
) -> None:
    async with simulated(network) as sim:
        broken, other = [await dial(network, sim.spu_addresses[0]) for _ in range(2)]
        # A good request before the broken input is still applied and answered.
        await broken.send(PRODUCE, produce_request(("greetings", 0, batch(b"a"))))
        await broken.stream.send_all(data)
        assert (await broken.answer())[0] == 1
        with pytest.raises(EOFError):
            await broken.answer()
        assert (await other.produce("greetings", 0, b"b")).base_offset == 1
        (ended,) = [e for e in sim.journal if e.kind == "connection" and e.detail != "opened"]
    assert (ended.connection, ended.server) == (1, "spu:0")
    assert str(ended.detail).startswith("closed, undecodable input: ")
    assert re.search(why, str(ended.detail))


async def test_an_unknown_label_closes_the_connection(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        for request in ((LIST, listing("Nonsense")), (WATCH, watch("Nonsense"))):
            client = await dial(network, sim.address)
            await client.send(*request)
            with pytest.raises(EOFError):
                await client.answer()


async def test_a_client_that_says_nothing_or_next_to_nothing_holds_up_nobody(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    async with simulated(network) as sim:
        tasks = trio.lowlevel.current_statistics().tasks_living
        silent = network.connect(sim.spu_addresses[0])
        slow = network.connect(sim.spu_addresses[0])
        for byte in Client(slow).wire.hello()[:-1]:
            await slow.send_all(bytes([byte]))
            await trio.sleep(1)
        assert trio.lowlevel.current_statistics().tasks_living - tasks == 2
        client = await dial(network, sim.spu_addresses[0])
        assert (await client.produce("greetings", 0, b"a")).base_offset == 0
        await silent.aclose()
        await trio.sleep(1)
    assert [e.detail for e in sim.journal if e.detail == "closed by the client"]
