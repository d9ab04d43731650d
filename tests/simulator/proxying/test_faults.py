"""Every fault strikes before a cluster as it strikes in the simulator."""

from contextlib import suppress
from typing import Any

import pytest
import trio

from simulator import open_simulator
from simulator.events import Appended, FaultHit, FrameRead
from simulator.faults.kinds.corrupt import Corrupt
from simulator.faults.kinds.delay import Delay
from simulator.faults.kinds.disconnect import Disconnect
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.duplicate import Duplicate
from simulator.faults.kinds.error import Error
from simulator.faults.kinds.forge import Forge
from simulator.faults.kinds.refuse import Refuse
from simulator.faults.kinds.stall import Stall
from simulator.faults.model import Fault, Match
from simulator.proxying.proxy import Proxy
from simulator.serving.server import Simulator
from tests.simulator.client import Client, batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from tests.simulator.proxying.scene import proxied
from tests.simulator.scene import by, ended, ids_within, send, values
from wire.api import PRODUCE
from wire.api.produce import PartitionRecords, ProduceRequest, ProduceResponse, TopicRecords
from wire.codec import decode
from wire.error_code import Code

FAULTS: list[Fault] = [
    kind(at=at, nth=[2], **special)
    for at in ("request", "response")
    for kind, special in (
        (Delay, {"by": by("50ms")}),
        (Drop, {}),
        (Duplicate, {}),
        (Corrupt, {}),
        (Stall, {}),
        (Disconnect, {"how": "rst"}),
        (Disconnect, {"how": "fin"}),
        (Disconnect, {"how": "half-close"}),
        (Error, {"code": "StorageError"}),
    )
] + [
    Disconnect(at="response", how="rst", after_bytes=7, nth=[2]),
    *(Forge(at="response", what=what, nth=[2]) for what in ("topic", "offset", "correlation-id")),
]


Outcome = tuple[list[int], bool, list[bytes], dict[str, tuple[int | None, int]]]


async def outcome_of(
    client: Client, sim: Simulator, struck: Simulator | Proxy, *, one_by_one: bool
) -> Outcome:
    """Send a, b and c; what was answered, whether the connection ended, what is stored, and how
    often the faults fired."""
    answered = []
    if one_by_one:
        for content in (b"a", b"b", b"c"):
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await send(client, content)
            answered += await ids_within(client, 1)
    else:
        await send(client, b"a", b"b", b"c")
        answered = await ids_within(client)
    await trio.sleep(1)
    partition = sim.cluster.partition("greetings", 0)
    assert partition is not None
    stored = [bytes(body) for body in partition.log.bodies]
    counts = {name: (c.fired, c.shadowed) for name, c in struck.summary().faults.items()}
    return answered, await ended(client), stored, counts


@pytest.mark.parametrize("one_by_one", [True, False], ids=["one by one", "at once"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f"{f.kind}-{f.at}-{getattr(f, 'how', '')}")
async def test_a_fault_does_what_it_does_in_the_simulator(
    fault: Fault, one_by_one: bool, network: MemoryNetwork, autojump_clock: Any
) -> None:
    alone = MemoryNetwork()
    async with open_simulator(listen=alone.listen, faults=[fault]) as sim:
        client = await dial(alone, sim.spu_addresses[0])
        wanted = await outcome_of(client, sim, sim, one_by_one=one_by_one)
        wanted_hits = [hit(e) for e in sim.events if isinstance(e, FaultHit)]
        wanted_appends = [append(e) for e in sim.events if isinstance(e, Appended)]
        unanswered = sim.summary().unanswered_records
    async with proxied(network, faults=[fault]) as scene:
        client = await scene.spu()
        found = await outcome_of(client, scene.sim, scene.proxy, one_by_one=one_by_one)
        hits = [hit(e) for e in scene.proxy.events if isinstance(e, FaultHit)]
        appends = [append(e) for e in scene.proxy.events if isinstance(e, Appended)]
        summary = scene.proxy.summary()
    assert (found[0], found[1], found[3]) == (wanted[0], wanted[1], wanted[3])
    # A cluster may have got a request before a fault struck the answer to the one before it.
    ahead = not one_by_one and isinstance(fault, Disconnect) and fault.at == "response"
    assert found[2][: len(wanted[2])] == wanted[2]
    assert len(found[2]) == (3 if ahead else len(wanted[2]))
    assert hits == wanted_hits
    assert hits
    if not ahead:  # the cluster tells of what it appended while its answers are read
        assert (appends, summary.unanswered_records) == (wanted_appends, unanswered)


def append(event: Appended) -> tuple[Any, ...]:
    return event.transmission, event.entry, event.base_offset, event.records, event.copied_by


def hit(event: FaultHit) -> tuple[Any, ...]:
    return event.fault, event.at, event.effects, event.ordinal, event.transmission, event.partition


async def test_an_error_that_strikes_some_entries_joins_both_answers(
    network: MemoryNetwork, autojump_clock: Any
) -> None:
    fault = Error(code="StorageError", at="request", match=Match(partition=1))
    async with proxied(network, {"topics": {"greetings": 3}}, faults=[fault]) as scene:
        client = await scene.spu()
        entries = [
            PartitionRecords(partition_index=n, records=batch(b"%d" % n)) for n in (0, 1, 2, 1)
        ]
        request = ProduceRequest(topics=[TopicRecords(name="greetings", partitions=entries)])
        (topic,) = (await client.call(PRODUCE, request)).topics
        assert [(p.partition_index, p.error_code) for p in topic.partitions] == [
            (0, Code.NONE),
            (1, Code.STORAGE_ERROR),
            (2, Code.NONE),
            (1, Code.STORAGE_ERROR),
        ]
        assert [values(scene.sim, partition=n) for n in range(3)] == [[b"0"], [], [b"2"]]


async def test_both_copies_of_a_request_are_answered_under_its_id(
    network: MemoryNetwork, autojump_clock: Any
) -> None:
    async with proxied(network, faults=[Duplicate(at="request")]) as scene:
        client = await scene.spu()
        await send(client, b"a")
        answers = await client.answers_within(1)
        offsets = [
            decode(ProduceResponse, data, 25).topics[0].partitions[0].base_offset
            for _, data in answers
        ]
        assert (values(scene.sim), offsets) == ([b"a", b"a"], [0, 1])
        assert {correlation_id for correlation_id, _ in answers} == {1}
        # The upstream has seen two requests, the second one under an id of the proxy's own.
        seen = [e.correlation_id for e in scene.sim.events if isinstance(e, FrameRead)]
        assert seen[-2] == 1
        assert seen[-1] > 1 << 30


async def test_a_delayed_request_is_forwarded_though_its_client_has_gone(
    network: MemoryNetwork, autojump_clock: Any
) -> None:
    async with proxied(network, faults=[Delay(by=by("2s"), at="request")]) as scene:
        client = await scene.spu()
        await send(client, b"a", b"b")
        await client.stream.aclose()
        await trio.sleep(1)
        assert values(scene.sim) == []
        await trio.sleep(2)
        assert values(scene.sim) == [b"a", b"b"]


async def test_a_half_written_request_is_not_forwarded(
    network: MemoryNetwork, autojump_clock: Any
) -> None:
    async with proxied(network) as scene:
        client = await scene.spu()
        _, frame = client.wire.request(PRODUCE, produce_request(("greetings", 0, batch(b"a"))), 25)
        await client.stream.send_all(frame[:-1])
        await client.stream.send_eof()
        assert await ended(client)
        partly = scene.named("FramePartlyRead")
        assert [(e.size, e.api) for e in partly] == [(len(frame) - 1, "produce")]
        assert not [e for e in scene.sim.events if type(e).__name__ == "FramePartlyRead"]


@pytest.mark.parametrize("how", ["refuse", "rst", "hang"])
async def test_connections_are_refused_and_the_cluster_does_not_notice(
    how: Any, network: MemoryNetwork, autojump_clock: Any
) -> None:
    fault = Refuse(name="away", server="spu:0", how=how, between=("0s", "5s"))
    async with proxied(network, {"spus": 2}, faults=[fault]) as scene:
        await trio.sleep(0.1)
        before = scene.sim.summary().connections
        if how == "refuse":
            with pytest.raises(OSError, match="refused"):
                network.connect(scene.proxy.spu_addresses[0])
            scene.proxy.dialled(int(scene.proxy.spu_addresses[0].split(":")[1]), refused=True)
        else:
            client = Client(network.connect(scene.proxy.spu_addresses[0]))
            assert await ended(client) is (how == "rst")
        assert scene.proxy.summary().faults["away"].fired == 1
        assert scene.sim.summary().connections == before
        await trio.sleep(6)
        assert (await (await scene.spu()).produce("greetings", 0, b"a")).error_code == 0
