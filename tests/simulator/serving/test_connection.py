"""Each fault at each cut point, acted on: what the client sees, what is stored, what is told."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from simulator import open_simulator
from simulator.cluster.cluster import topic_of
from simulator.events import Appended, FaultHit, FramePartlyRead, FrameWritten
from simulator.faults.kinds.delay import Delay
from simulator.faults.kinds.disconnect import Disconnect
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.duplicate import Duplicate
from simulator.faults.kinds.error import Error
from simulator.faults.kinds.stall import Stall
from simulator.faults.model import Fault, Match, Placed
from tests.simulator.client import Client, batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.scene import Case, by, ended, ids_within, send, values
from wire.api import API_VERSIONS, CREATE, PRODUCE, WATCH
from wire.api.admin import CreateRequest, CreateTopic, WatchOptions, WatchRequest
from wire.api.envelope import TOPIC, seal
from wire.api.produce import ProduceRequest, TopicRecords
from wire.api.topic import Computed, TopicSpec
from wire.codec import decode
from wire.error_code import Code, ErrorCode, Other, PartitionFull, RequestTimedOut


@pytest.mark.parametrize(
    ("fault", "answered", "stored", "ends", "unanswered"),
    [
        (Drop(at="request", nth=(2,)), [1, 3], b"ac", False, 0),
        (Drop(at="response", nth=(2,)), [1, 3], b"abc", False, 1),
        (Duplicate(at="request", nth=(2,)), [1, 2, 2, 3], b"abbc", False, 0),
        (Duplicate(at="response", nth=(2,)), [1, 2, 2, 3], b"abc", False, 0),
        (Duplicate(at="both", nth=(2,)), [1, 2, 2, 2, 2, 3], b"abbc", False, 0),
        (Disconnect(at="request", nth=(2,)), [1], b"a", True, 0),
        (Disconnect(at="request", nth=(2,), how="fin"), [1], b"a", True, 0),
        (Disconnect(at="request", nth=(2,), how="half-close"), [1], b"abc", True, 2),
        (Disconnect(at="response", nth=(2,)), [1], b"ab", True, 1),
        (Disconnect(at="response", nth=(2,), how="fin"), [1], b"ab", True, 1),
        (Disconnect(at="response", nth=(2,), how="half-close"), [1], b"abc", True, 2),
        (Disconnect(at="response", nth=(2,), after_bytes=1000), [1, 2], b"ab", True, 0),
        (Stall(at="request", nth=(2,)), [1], b"a", False, 0),
        (Stall(at="response", nth=(2,)), [1], b"abc", False, 2),
    ],
    ids=lambda part: f"{part.kind}-{part.at}" if isinstance(part, Placed) else "",
)
async def test_a_fault_at_the_second_exchange(
    network: MemoryNetwork,
    autojump_clock: MockClock,
    fault: Fault,
    answered: list[int],
    stored: bytes,
    ends: bool,
    unanswered: int,
) -> None:
    case = await Case(network, fault).run()
    assert case.answered == answered
    assert b"".join(case.stored) == stored
    assert case.ended == ends
    assert case.unanswered == unanswered
    (fired,) = [fired for fired, _ in case.counts.values()]
    assert fired == sum(isinstance(event, FaultHit) for event in case.events)
    assert fired >= 1


@pytest.mark.parametrize(("begun", "patience"), [(b"", 0.001), (bytes(10), 0.05)])
async def test_a_fin_waits_for_the_rest_of_a_request_that_has_begun(
    network: MemoryNetwork, autojump_clock: MockClock, begun: bytes, patience: float
) -> None:
    fault = Disconnect(at="request", how="fin")
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        request = produce_request(("greetings", 0, batch(b"a")))
        _, frame = client.wire.request(PRODUCE, request, PRODUCE.max_version)
        await client.stream.send_all(frame + frame[: len(begun)])
        assert await client.stream.receive_some() == b""
        for at in range(len(begun), len(begun) + 5):
            await trio.sleep(0.9 * patience)
            await client.stream.send_all(frame[at : at + 1])
        await trio.sleep(1.1 * patience)
        with pytest.raises(trio.BrokenResourceError):
            await client.stream.send_all(b"too late")


@pytest.mark.parametrize("size", [0, 1, 5, 20])
async def test_an_answer_is_cut_after_so_many_bytes(
    network: MemoryNetwork, autojump_clock: MockClock, size: int
) -> None:
    fault = Disconnect(at="response", how="fin", after_bytes=size)
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await send(client, b"a")
        received = b""
        while data := await client.stream.receive_some():
            received += data
        assert values(sim) == [b"a"]
    assert len(received) == size


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (Delay(at="request", by=by("2s"), nth=(1,)), [2, 2, 2]),
        (Delay(at="response", by=by("2s"), nth=(1,)), [2, 2, 2]),
        (Delay(at="request", by=by("2s"), nth=(2,)), [0, 2, 2]),
        (Delay(at="both", by=by("2s"), nth=(2,)), [0, 4, 4]),
        (Delay(at="both", by=by("1s")), [2, 2, 2]),
    ],
)
async def test_a_delayed_frame_is_late_and_holds_back_those_behind_it(
    network: MemoryNetwork, autojump_clock: MockClock, fault: Delay, times: list[int]
) -> None:
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        start = trio.current_time()
        await send(client, b"a", b"b", b"c")
        found = []
        for _ in times:
            await client.answer()
            found.append(round(trio.current_time() - start, 6))
    assert found == times


async def test_delays_of_several_faults_add_up(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults = [Delay(at="request", by=by("2s")), Delay(at="request", by=by("500ms"))]
    async with open_simulator(listen=network.listen, faults=faults) as sim:
        client = await dial(network, sim.spu_addresses[0])
        start = trio.current_time()
        await client.produce("greetings", 0, b"a")
        assert trio.current_time() - start == pytest.approx(2.5)


async def test_a_request_that_was_read_is_applied_though_its_client_has_gone(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    delay = Delay(at="request", by=by("5s"))
    async with open_simulator(listen=network.listen, faults=[delay]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await send(client, b"a", b"b")
        await trio.sleep(1)
        await client.stream.aclose()
        await trio.sleep(1)
        assert values(sim) == []
        await trio.sleep(4)
        assert values(sim) == [b"a", b"b"]
        assert sim.summary().unanswered_records == 2


async def test_the_old_leader_refuses_a_request_that_it_had_delayed(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    delay = Delay(at="request", by=by("2s"))
    async with open_simulator(listen=network.listen, faults=[delay], spus=2) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await send(client, b"a")
        await trio.sleep(1)
        sim.move_leader("greetings", 0, to=1)
        _, body = await client.answer()
        (result,) = decode(PRODUCE.response, body, 25).topics[0].partitions
        assert values(sim) == []
    assert result.error_code is Code.NOT_LEADER_FOR_PARTITION


async def test_an_end_after_a_delay_comes_at_its_time_and_behind_earlier_answers(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults: list[Fault] = [
        Delay(at="response", by=by("3s"), nth=(1,)),
        Delay(at="request", by=by("1s"), nth=(2,)),
        Disconnect(at="request", nth=(2,), how="fin"),
    ]
    case = await Case(network, *faults).run()
    assert (case.answered, case.stored, case.ended) == ([1], [b"a"], True)


async def test_a_copy_names_the_fault_that_made_it_and_shares_the_transmission(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    case = await Case(network, Duplicate(name="twice", at="request", nth=(2,))).run()
    appended = [e for e in case.events if isinstance(e, Appended)]
    appends = [(e.base_offset, e.transmission, e.copied_by) for e in appended]
    # The first transmission of the connection was its ApiVersions.
    assert appends == [(0, 2, None), (1, 3, None), (2, 3, "twice"), (3, 4, None)]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("NotLeaderForPartition", Code.NOT_LEADER_FOR_PARTITION),
        ("MessageTooLarge", Code.MESSAGE_TOO_LARGE),
        ("CompressionError", Code.COMPRESSION_ERROR),
        ("TopicNotFound", Code.TOPIC_NOT_FOUND),
        ("RequestTimedOut", RequestTimedOut(timeout_ms=1500)),
        ("StorageError", Code.STORAGE_ERROR),
        ("PartitionFull", PartitionFull(topic="greetings", partition=0)),
        ("PartitionShortCircuited", Code.PARTITION_SHORT_CIRCUITED),
        ("UnknownServerError", Code.UNKNOWN_SERVER_ERROR),
        ("Other", Other(text="injected by a fault")),
        ("PermissionDenied", Code.PERMISSION_DENIED),
    ],
)
async def test_an_error_at_the_request_is_answered_and_not_applied(
    network: MemoryNetwork, autojump_clock: MockClock, name: Any, code: ErrorCode
) -> None:
    fault = Error(at="request", code=name, nth=(2,))
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        results = [await client.produce("greetings", 0, value) for value in (b"a", b"b", b"c")]
        assert values(sim) == [b"a", b"c"]
    assert [r.error_code for r in results] == [Code.NONE, code, Code.NONE]
    assert [r.base_offset for r in results] == [0, 0, 1]


@pytest.mark.parametrize(
    ("name", "code", "offset"),
    [
        ("StorageError", Code.STORAGE_ERROR, 0),
        ("RequestTimedOut", RequestTimedOut(timeout_ms=1500), 1),
    ],
)
async def test_an_error_at_the_response_is_applied_first(
    network: MemoryNetwork, autojump_clock: MockClock, name: Any, code: ErrorCode, offset: int
) -> None:
    fault = Error(at="response", code=name, nth=(2,))
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        results = [await client.produce("greetings", 0, value) for value in (b"a", b"b")]
        assert values(sim) == [b"a", b"b"]
    assert (results[1].error_code, results[1].base_offset) == (code, offset)


@pytest.mark.parametrize(("at", "stored"), [("request", [b"x"]), ("response", [b"a", b"b"])])
async def test_an_error_hits_all_entries_of_its_partition_and_no_others(
    network: MemoryNetwork, autojump_clock: MockClock, at: Any, stored: list[bytes]
) -> None:
    fault = Error(at=at, code="StorageError", match=Match(partition=1))
    request = produce_request(
        ("t", 0, batch(b"x")), ("t", 1, batch(b"a")), ("t", 0, batch(b"y")), ("t", 1, batch(b"b"))
    )
    async with open_simulator(listen=network.listen, faults=[fault], topics={"t": 2}) as sim:
        client = await dial(network, sim.spu_addresses[0])
        answer = await client.call(PRODUCE, request)
        assert values(sim, "t", 0) == [b"x", b"y"]
        assert values(sim, "t", 1) == ([] if at == "request" else stored)
    results = [topic.partitions[0] for topic in answer.topics]
    assert [(r.partition_index, r.error_code) for r in results] == [
        (0, Code.NONE),
        (1, Code.STORAGE_ERROR),
        (0, Code.NONE),
        (1, Code.STORAGE_ERROR),
    ]


@pytest.mark.parametrize(("at", "exists"), [("request", False), ("response", True)])
async def test_an_error_refuses_a_creation_as_a_whole(
    network: MemoryNetwork, autojump_clock: MockClock, at: Any, exists: bool
) -> None:
    fault = Error(at=at, code="UnknownServerError", match=Match(api="create"))
    spec = TopicSpec(replicas=Computed(partitions=1, replication_factor=1))
    body = CreateTopic(name="newt", spec=spec)
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.address)
        status = await client.call(CREATE, CreateRequest(object=seal(TOPIC, body, 19)))
        assert ("newt" in sim.cluster.topics) == exists
    assert (status.name, status.error_code) == ("newt", Code.UNKNOWN_SERVER_ERROR)


async def test_the_first_terminal_fault_wins_and_the_others_are_shadowed(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults: list[Fault] = [
        Duplicate(name="copy", at="request"),
        Drop(name="drop", at="request", nth=(1,)),
        Stall(name="stall", at="request", nth=(1,)),
    ]
    case = await Case(network, *faults).run()
    assert case.stored == [b"b", b"b", b"c", b"c"]
    assert case.counts == {"copy": (2, 1), "drop": (1, 0), "stall": (0, 1)}
    shadowed = [e.fault for e in case.events if isinstance(e, FaultHit) and e.shadowed]
    assert shadowed == ["copy", "stall"]


async def test_an_empty_request_is_struck_only_by_a_fault_that_says_so(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    empty = ProduceRequest(topics=[TopicRecords(name="greetings", partitions=[])])
    for wanted, expected in ((False, [1, 2]), (True, [])):
        fault = Drop(at="request", empty=wanted, match=Match(client_id="empty"), nth=(1, 2))
        async with open_simulator(listen=network.listen, faults=[fault]) as sim:
            client = await dial(network, sim.spu_addresses[0], client_id="empty")
            for _ in range(2):
                await client.send(PRODUCE, empty)
            assert await ids_within(client) == expected


async def test_a_fault_of_another_spu_or_client_strikes_nobody_here(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults = [Drop(match=Match(spu=1)), Drop(match=Match(client_id="other"))]
    async with open_simulator(listen=network.listen, faults=faults, spus=2) as sim:
        client = await dial(network, sim.spu_addresses[0])
        assert (await client.produce("greetings", 0, b"a")).error_code is Code.NONE


async def test_a_fault_for_all_apis_strikes_the_greeting_too(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = Drop(at="request", match=Match(api="all"), nth=(1,))
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = Client(network.connect(sim.address))
        await client.stream.send_all(client.wire.hello())
        assert await client.answers_within(5) == []
        (hit,) = [event for event in sim.events if isinstance(event, FaultHit)]
    assert hit.api == API_VERSIONS.name


async def test_a_watch_whose_answer_is_dropped_stays_deaf_to_news(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = Drop(at="response", match=Match(api="watch"), nth=(1,))
    async with open_simulator(listen=network.listen, faults=[fault], spus=2) as sim:
        client = await dial(network, sim.address)
        for _ in range(2):
            body = seal(TOPIC, WatchOptions(), 19)
            await client.send(WATCH, WatchRequest(object=body))
        assert await ids_within(client) == [2]
        sim.cluster.create_topic("newt", topic_of(1))
        assert await ids_within(client) == [2] * 4


async def test_twice_the_same_frames_in_other_interleavings_meet_the_same_faults(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async def struck(order: list[int], seed: int) -> dict[int, list[int]]:
        """Which of ten requests to each of three partitions are answered, sent in an order."""
        async with open_simulator(
            listen=network.listen, drop=0.3, seed=seed, topics={"t": 3}
        ) as sim:
            clients = [await dial(network, sim.spu_addresses[0]) for _ in range(3)]
            for partition in order:
                request = produce_request(("t", partition, batch(b"x")))
                await clients[partition].send(PRODUCE, request)
            return {p: await ids_within(client) for p, client in enumerate(clients)}

    one_by_one = [p for p in range(3) for _ in range(10)]
    in_turn = list(range(3)) * 10
    backwards = one_by_one[::-1]
    first = await struck(one_by_one, seed=7)
    assert await struck(in_turn, seed=7) == first
    assert await struck(backwards, seed=7) == first
    assert await struck(in_turn, seed=8) != first
    assert 0 < sum(map(len, first.values())) < 30


async def test_a_verdict_names_the_partition_that_its_fault_struck(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = Error(at="request", code="StorageError", match=Match(partition=1))
    request = produce_request(("t", 0, batch(b"x")), ("t", 1, batch(b"y")))
    async with open_simulator(listen=network.listen, faults=[fault], topics={"t": 2}) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.call(PRODUCE, request)
        (hit,) = [event for event in sim.events if isinstance(event, FaultHit)]
    assert (hit.topic, hit.partition) == ("t", 1)


async def test_an_answer_that_was_cut_is_told_as_such_and_is_no_frame(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    fault = Disconnect(at="response", after_bytes=5)
    async with open_simulator(listen=network.listen, faults=[fault]) as sim:
        client = await dial(network, sim.spu_addresses[0])
        before = sim.summary().frames
        await send(client, b"a")
        await trio.sleep(1)
        assert sim.summary().frames == before + 1
        (cut,) = [e for e in sim.events if isinstance(e, FrameWritten) and not e.whole]
    assert (cut.size, cut.frame_size) == (5, 61)


async def test_a_request_that_does_not_end_is_told_with_its_bytes(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with open_simulator(listen=network.listen) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.stream.send_all(b"\0\0\0\x40half")
        await client.stream.aclose()
        await trio.sleep(1)
        (part,) = [e for e in sim.events if isinstance(e, FramePartlyRead)]
    assert (part.connection, part.server, part.size) == (1, "spu:0", 8)


async def test_a_silence_that_comes_due_after_the_healing_ends_its_connection(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    faults = [Delay(at="response", by=by("1s"), name="slow"), Stall(at="response", name="silent")]
    async with open_simulator(listen=network.listen, faults=faults) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await send(client, b"a")
        await trio.sleep(0.5)
        await sim.heal()
        assert await ended(client)
        assert trio.current_time() == pytest.approx(1.0)
