"""Replicas as a client sees them, over real frames."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from simulator import Config, Simulator, open_simulator
from simulator.cluster.replication import ReplicationTerms
from simulator.events import LeaderElected, ReplicaCaughtUp
from simulator.faults.distributions import Constant
from tests.simulator.client import Client, batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import FETCH, PRODUCE
from wire.api.fetch import FetchPartition, FetchRequest, FetchTopic
from wire.api.produce import READ_COMMITTED
from wire.error_code import Code, RequestTimedOut

LAG = Constant("100ms")
UNCOMMITTED, COMMITTED = 0, 1
"""The isolations of a fetch."""


async def fetched(client: Client, isolation: int) -> tuple[int, bool]:
    """Return the high watermark, and whether there were records, of a fetch from the beginning."""
    partition = FetchPartition(partition_index=0, fetch_offset=0, max_bytes=1000)
    request = FetchRequest(
        max_bytes=1000, isolation=isolation, topics=[FetchTopic(name="t", partitions=[partition])]
    )
    answer = (await client.call(FETCH, request)).topics[0].partitions[0]
    return answer.high_watermark, bool(answer.records)


@asynccontextmanager
async def replicated(
    network: MemoryNetwork, *, first_fetch_s: float = 0.0, partitions: int = 1
) -> AsyncIterator[Simulator]:
    """Run a simulator with two replicas of each partition; followers have fetched once, unless they
    wait."""
    config = Config(
        spus=2,
        topics={"t": partitions},
        replication=ReplicationTerms(replicas=2, lag=LAG, first_fetch_s=first_fetch_s),
    )
    async with open_simulator(config, listen=network.listen) as sim:
        await trio.sleep(0.5)
        yield sim


@pytest.mark.parametrize(
    ("timeout_ms", "code", "waited_s"),
    [
        (1000, Code.NONE, 0.1),
        (50, RequestTimedOut(timeout_ms=50), 0.05),
        (0, RequestTimedOut(timeout_ms=0), 0.0),
    ],
)
async def test_read_committed_waits_for_the_followers_as_long_as_the_request_allows(
    network: MemoryNetwork,
    autojump_clock: MockClock,
    timeout_ms: int,
    code: object,
    waited_s: float,
) -> None:
    async with replicated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        start = trio.current_time()
        result = await client.produce("t", 0, b"a", acks=READ_COMMITTED, timeout_ms=timeout_ms)
        waited = trio.current_time() - start
        stored = [record.value for record in sim.log("t", 0)]
    assert (result.error_code, result.base_offset) == (code, 0)
    assert waited == pytest.approx(waited_s)
    assert stored == [b"a"]


async def test_each_entry_waits_for_followers_of_its_own(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with replicated(network, partitions=3) as sim:
        client = await dial(network, sim.spu_addresses[0])
        request = produce_request(
            ("t", 0, batch(b"a")), ("t", 2, batch(b"b")), acks=READ_COMMITTED, timeout_ms=1000
        )
        start = trio.current_time()
        answer = await client.call(PRODUCE, request)
        waited = trio.current_time() - start
    codes = [topic.partitions[0].error_code for topic in answer.topics]
    assert codes == [Code.NONE, Code.NONE]
    assert waited == pytest.approx(0.1)


async def test_before_the_first_fetch_what_is_stored_is_answered_with_a_timeout(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with replicated(network, first_fetch_s=9.8) as sim:
        client = await dial(network, sim.spu_addresses[0])
        codes = [
            (await client.produce("t", 0, b"a", acks=READ_COMMITTED, timeout_ms=1500)).error_code
            for _ in range(7)
        ]
        stored = len(sim.log("t", 0))
    # The seventh wait begins at 9.5 s; the first fetch takes 0.1 s from 9.8 s on.
    assert codes == [RequestTimedOut(timeout_ms=1500)] * 6 + [Code.NONE]
    assert stored == 7


async def test_read_uncommitted_waits_for_nobody_and_may_lose_what_it_acknowledged(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with replicated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.produce("t", 0, b"a")
        await trio.sleep(0.2)
        acknowledged = await client.produce("t", 0, b"b")
        await sim.stop_spu(0)
        await trio.sleep(1.0)
        other = await dial(network, sim.spu_addresses[1])
        replacing = await other.produce("t", 0, b"c")
        stored = [record.value for record in sim.log("t", 0)]
        told = [e for e in sim.events if isinstance(e, LeaderElected | ReplicaCaughtUp)]
    assert (acknowledged.error_code, acknowledged.base_offset) == (Code.NONE, 1)
    assert (replacing.error_code, replacing.base_offset) == (Code.NONE, 1)
    assert stored == [b"a", b"c"]
    assert [type(e) for e in told] == [ReplicaCaughtUp, ReplicaCaughtUp, LeaderElected]
    first, caught_up, elected = told
    assert isinstance(first, ReplicaCaughtUp)
    assert isinstance(caught_up, ReplicaCaughtUp)
    assert isinstance(elected, LeaderElected)
    assert (first.end, first.high_watermark) == (0, 0)
    assert (caught_up.spu, caught_up.end, caught_up.high_watermark) == (1, 1, 1)
    assert (elected.partition, elected.spu, elected.kept_to) == (0, 1, 1)


async def test_a_consumer_of_committed_records_gets_what_every_replica_has(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with replicated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        await client.produce("t", 0, b"a")
        early = await fetched(client, COMMITTED)
        everything = await fetched(client, UNCOMMITTED)
        await trio.sleep(0.2)
        late = await fetched(client, COMMITTED)
    assert early == (0, False)
    assert everything == (0, True)
    assert late == (1, True)


async def test_the_old_leader_rejects_requests_when_it_is_back(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with replicated(network) as sim:
        await sim.stop_spu(0)
        await trio.sleep(1.0)
        await sim.start_spu(0)
        client = await dial(network, sim.spu_addresses[0])
        result = await client.produce("t", 0, b"a")
    assert result.error_code is Code.NOT_LEADER_FOR_PARTITION
