"""Followers that fetch, commits and elections, at times that the tests set."""

from dataclasses import dataclass, field

import pytest

from simulator.cluster.cluster import Cluster, Partition, topic_of
from simulator.cluster.follower import Follower
from simulator.cluster.memory import Memory
from simulator.cluster.metadata import partition_object
from simulator.cluster.record_set import record_set
from simulator.cluster.replication import ELECTION_S, Replication, ReplicationTerms
from simulator.faults.distributions import Constant, Distribution, Uniform
from tests.simulator.client import batch
from wire.api.partition import PartitionResolution, ReplicaStatus

LAG_S = 0.1


@dataclass
class Replicated:
    """A cluster whose SPUs each have a replica of partition ``t/0``, at a time that tests set."""

    cluster: Cluster
    now: float = 0.0
    elections: list[tuple[int, int]] = field(default_factory=list)
    """The SPU, and to what offset it has the log."""
    fetches: list[tuple[float, int, int]] = field(default_factory=list)
    """Time, SPU, and the end of its log."""

    @property
    def partition(self) -> Partition:
        return self.cluster.topics["t"].partitions[0]

    def append(self, *values: bytes) -> None:
        self.partition.log.append(record_set(batch(*values)), self.now)

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.replication.next_due() <= until:
            self.now = max(self.now, self.replication.next_due())
            self.replication.act()
        self.now = until

    def set_online(self, spu: int, *, online: bool) -> None:
        self.cluster.set_online(self.cluster.spus[spu], online=online)

    @property
    def values(self) -> list[bytes]:
        return [record.value for record in self.partition.log]

    @property
    def committed(self) -> int:
        return self.partition.log.high_watermark(self.now)

    def follow(self, terms: ReplicationTerms, seed: int) -> None:
        def elected(partition: Partition, spu: int, kept_to: int) -> None:
            assert partition is self.partition
            self.elections.append((spu, kept_to))

        def caught_up(partition: Partition, follower: Follower) -> None:
            assert partition is self.partition
            self.fetches.append((round(self.now, 6), follower.spu, follower.end))

        cluster = self.cluster
        self.replication = Replication(cluster, terms, seed, lambda: self.now, elected, caught_up)


def replicated(
    spus: int = 2,
    lag: Distribution | None = None,
    first_fetch_s: float = 0.0,
    seed: int = 0,
    memory: Memory | None = None,
) -> Replicated:
    """Return a cluster whose followers have fetched from the empty log, unless they wait."""
    cluster = Cluster(spus, memory)
    cluster.create_topic("t", topic_of(1, replicas=spus))
    found = Replicated(cluster)
    found.follow(ReplicationTerms(spus, lag or Constant("100ms"), first_fetch_s), seed)
    found.wait(2 * LAG_S)
    found.fetches.clear()
    return found


def test_a_record_is_committed_when_a_fetch_that_began_after_it_has_arrived() -> None:
    r = replicated()
    r.append(b"a")
    r.wait(0.05)
    r.append(b"b")  # the fetch of the first one is under way, and does not bring it
    r.wait(0.049)
    assert r.committed == 0
    r.wait(0.002)
    assert r.committed == 1
    r.wait(LAG_S)
    assert r.committed == 2
    assert r.fetches == [(0.3, 1, 1), (0.4, 1, 2)]


def test_a_record_is_committed_when_every_replica_has_it() -> None:
    r = replicated(spus=3)
    r.set_online(2, online=False)
    r.append(b"a")
    r.wait(10.0)
    assert r.committed == 0  # also one whose SPU is down
    r.set_online(2, online=True)
    r.wait(LAG_S)
    assert r.committed == 1


def test_a_new_partition_is_not_fetched_before_its_time() -> None:
    r = replicated(first_fetch_s=9.8)
    r.append(b"a")
    r.wait(9.5)
    assert not r.fetches
    r.wait(0.3)
    assert r.committed == 1
    r.cluster.create_topic("u", topic_of(1, replicas=2))
    late = r.cluster.topics["u"].partitions[0]
    late.log.append(record_set(batch(b"b")), r.now)
    r.partition.log.append(record_set(batch(b"c")), r.now)
    assert r.replication.next_due() == pytest.approx(r.now + LAG_S)
    assert late.followers[0].due == pytest.approx(r.now + 9.8)


def test_topics_with_one_replica_commit_by_themselves() -> None:
    r = replicated()
    r.cluster.create_topic("u", topic_of(1))
    alone = r.cluster.topics["u"].partitions[0]
    alone.log.append(record_set(batch(b"a")), r.now)
    assert alone.log.high_watermark(r.now) == 1
    assert alone.log.replicate is None


def test_what_the_elected_follower_lacks_is_gone_and_its_offsets_are_given_to_others() -> None:
    r = replicated(memory=Memory())
    r.append(b"a")
    r.wait(LAG_S)
    stored = r.cluster.memory.stored
    r.append(b"b", b"c")
    r.set_online(0, online=False)
    r.wait(ELECTION_S - 0.001)
    assert not r.elections
    r.wait(0.002)
    assert r.elections == [(1, 1)]
    assert r.partition.replicas == [1, 0]
    assert r.values == [b"a"]
    assert r.cluster.memory.stored == stored
    r.append(b"d")
    assert [(b.base_offset, b.records) for b in r.partition.log.batches] == [(0, 1), (1, 1)]
    assert r.values == [b"a", b"d"]


def test_a_batch_that_was_lost_and_is_sent_again_is_no_copy() -> None:
    r = replicated()
    r.append(b"a")
    r.wait(LAG_S)
    r.append(b"b")
    r.set_online(0, online=False)
    r.wait(ELECTION_S)
    r.append(b"b")
    assert r.partition.log.resent == 0
    r.append(b"b")
    assert r.partition.log.resent == 1


def test_the_live_follower_with_the_highest_end_is_elected() -> None:
    r = replicated(spus=3)
    r.set_online(1, online=False)
    r.append(b"a")
    r.wait(LAG_S)
    r.set_online(1, online=True)
    r.set_online(0, online=False)  # before SPU 1 has fetched again
    r.wait(ELECTION_S)
    assert r.elections == [(2, 1)]


def test_a_fetch_under_way_is_lost_with_the_leader() -> None:
    r = replicated()
    r.append(b"a")
    r.wait(LAG_S / 2)
    r.set_online(0, online=False)
    r.wait(ELECTION_S)
    assert r.elections == [(1, 0)]
    assert r.values == []


def test_a_leader_that_returns_in_time_stays_the_leader() -> None:
    r = replicated()
    r.append(b"a")
    r.set_online(0, online=False)
    r.wait(ELECTION_S / 2)
    r.set_online(0, online=True)
    r.wait(10.0)
    assert not r.elections
    assert r.values == [b"a"]
    assert r.committed == 1


def test_a_follower_that_never_fetched_is_not_elected() -> None:
    r = replicated(first_fetch_s=10.0)
    r.append(b"a")
    r.set_online(0, online=False)
    r.wait(20.0)
    assert not r.elections
    status = partition_object(r.cluster, r.partition).status
    assert status.resolution is PartitionResolution.LEADER_OFFLINE
    r.set_online(0, online=True)
    r.wait(LAG_S)
    assert r.committed == 1


def test_a_follower_that_returns_is_elected_if_the_leader_has_not_returned() -> None:
    r = replicated()
    r.append(b"a")
    r.wait(LAG_S)
    r.set_online(1, online=False)
    r.set_online(0, online=False)
    r.wait(10.0)
    assert not r.elections
    r.set_online(1, online=True)
    r.wait(ELECTION_S)
    assert r.elections == [(1, 1)]


def diverged() -> Replicated:
    """Return a cluster in which SPU 1 leads, and SPU 0 is back with two records of its own."""
    r = replicated()
    r.append(b"a")
    r.wait(LAG_S)
    r.append(b"b", b"c")
    r.set_online(0, online=False)
    r.wait(ELECTION_S)
    r.append(b"d")
    r.set_online(0, online=True)
    r.wait(10.0)
    return r


def test_the_reports_of_a_longer_log_are_ignored_until_the_leader_has_as_much() -> None:
    r = diverged()
    assert r.committed == 1
    r.append(b"e")
    r.wait(LAG_S)
    assert r.committed == 3
    r.append(b"f")
    r.wait(LAG_S)
    assert r.committed == 4


def test_a_replica_with_a_tail_of_its_own_is_never_elected() -> None:
    r = diverged()
    r.append(b"e")
    r.wait(LAG_S)
    r.set_online(1, online=False)
    r.wait(10.0)
    assert r.elections == [(1, 1)]
    assert r.values == [b"a", b"d", b"e"]
    r.set_online(1, online=True)
    r.append(b"f")
    r.wait(2.5 * LAG_S)  # the first fetch began before the append
    assert r.committed == 4


def test_a_former_leader_without_a_tail_is_a_follower_like_any_other() -> None:
    r = replicated()
    r.append(b"a")
    r.wait(LAG_S)
    r.set_online(0, online=False)
    r.wait(ELECTION_S)
    r.append(b"b")
    r.set_online(0, online=True)
    r.wait(LAG_S)
    assert r.committed == 2
    r.set_online(1, online=False)
    r.wait(ELECTION_S)
    assert r.elections == [(1, 1), (0, 2)]
    assert r.values == [b"a", b"b"]


def test_a_leader_that_moves_takes_the_whole_log_along() -> None:
    r = replicated(spus=3)
    r.append(b"a")
    r.cluster.move_leader("t", 0, to=2)
    assert r.values == [b"a"]
    r.wait(LAG_S)
    assert r.committed == 1
    r.set_online(2, online=False)
    r.wait(ELECTION_S)
    assert r.elections == [(0, 1)]


def test_a_deleted_topic_is_fetched_no_more() -> None:
    r = replicated()
    r.append(b"a")
    r.cluster.delete_topic("t")
    while r.replication.next_due() < float("inf"):
        r.now = r.replication.next_due()
        r.replication.act()
    assert not r.fetches


def test_the_sc_tells_what_the_leader_knows_of_its_followers() -> None:
    r = replicated(spus=3)
    r.append(b"a")
    r.wait(LAG_S)
    r.set_online(2, online=False)
    r.append(b"b")
    r.wait(LAG_S)
    status = partition_object(r.cluster, r.partition).status
    assert status.leader == ReplicaStatus(spu=5001, high_watermark=1, log_end_offset=2)
    assert status.replicas == [
        ReplicaStatus(spu=5002, high_watermark=1, log_end_offset=2),
        ReplicaStatus(spu=5003, high_watermark=1, log_end_offset=1),
    ]
    assert status.live_replicas == 1


def test_before_its_first_fetch_nothing_is_known_of_a_follower() -> None:
    r = replicated(first_fetch_s=10.0)
    (status,) = partition_object(r.cluster, r.partition).status.replicas
    assert status == ReplicaStatus(spu=5002, high_watermark=-1, log_end_offset=-1)


def lags(seed: int) -> list[tuple[float, int, int]]:
    r = replicated(lag=Uniform(uniform=("10ms", "100ms")), seed=seed)
    for value in (b"a", b"b", b"c"):
        r.append(value)
        r.wait(LAG_S)
    return r.fetches


def test_lags_are_drawn_from_the_seed() -> None:
    assert lags(1) == lags(1) != lags(2)
    assert len({round(t % LAG_S, 6) for t, *_ in lags(1)}) == 3


def test_what_is_due_earlier_wakes_the_task_that_waits() -> None:
    r = replicated()
    woken: list[float] = []
    r.replication.wake = lambda: woken.append(r.replication.next_due())
    r.append(b"a")
    r.append(b"b")
    assert woken == [pytest.approx(r.now + LAG_S)]


def test_a_topic_that_is_deleted_before_the_election_gets_no_leader() -> None:
    r = replicated(spus=3)
    r.append(b"a")
    r.set_online(0, online=False)
    r.cluster.delete_topic("t")
    r.wait(2 * ELECTION_S)
    assert r.elections == []
    assert r.cluster.memory.stored == 0
