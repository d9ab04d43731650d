"""Visibility: outside blind spots every attempt leaves an event."""

from collections.abc import Collection
from math import inf
from typing import Any

import pytest

from chaos.oracle.evidence import Evidence
from chaos.oracle.holds import holds
from chaos.oracle.visibility import Visibility, visibility
from chaos.spec.bounds import DIAL_BACKOFF_MAX_S, DIAL_BACKOFF_S
from simulator.events import LeaderMoved, PartitionServed, SpuStarted, SpuStopped
from tests.chaos.oracle.checks.playing import played

WAIT_S = 1.0
"""The attempt timeout of these runs."""

ROOM_S = 0.01
"""More than the margin on both sides of a blind spot."""


def seen(*faults: Any, **more: Any) -> Visibility:
    return Evidence(played(*faults, **more)).once(visibility)


def clear(
    found: Visibility, start: float, end: float, partition: int = 0, but: Collection[int] = ()
) -> bool:
    return found.hidden([partition], start, end, but) is None


def test_without_faults_there_is_no_blind_spot() -> None:
    found = seen()
    assert clear(found, 0.0, 100.0)
    assert (found.lost(2), found.lost_by(2), found.leaders_unknown_from) == (inf, inf, inf)


def test_a_dropped_frame_makes_no_blind_spot_since_it_was_read() -> None:
    assert clear(seen({"drop": {"at": "request", "nth": 1}}), 0.0, 100.0)


def test_a_stall_hides_attempts_on_its_own_connection_only() -> None:
    found = seen({"stall": {"at": "request", "nth": 1}})
    assert not clear(found, 0.0, 0.5)
    assert clear(found, 0.0, 0.5, but={2})
    assert not clear(found, 0.0, 0.5, but={3})


def test_a_reset_connection_is_lost_from_then_on() -> None:
    found = seen({"disconnect": {"at": "response", "how": "rst", "nth": 1}})
    assert found.lost(2) == pytest.approx(0.0013)
    assert found.lost_by(2) > found.lost(2)
    assert found.lost(3) == inf
    assert not clear(found, 0.0, ROOM_S)


@pytest.mark.parametrize("how", ["refuse", "rst", "hang"])
def test_a_refusing_server_hides_attempts(how: str) -> None:
    fault = {"refuse": {"server": "spu", "how": how, "between": ["0ms", "500ms"]}}
    found = seen(fault)
    assert not clear(found, 0.0, 0.5)
    assert clear(found, 0.5 + WAIT_S + DIAL_BACKOFF_MAX_S + ROOM_S, 100.0)
    assert found.backing_off([0], 0.2, 0.4)
    assert not found.backing_off([0], 0.5, 0.6 + WAIT_S + DIAL_BACKOFF_MAX_S)


def test_the_backoff_is_no_longer_than_the_time_in_which_dials_failed() -> None:
    fault = {"refuse": {"server": "spu", "how": "refuse", "between": ["0ms", "100ms"]}}
    found = seen(fault)
    assert not clear(found, 0.15, 0.16)
    assert clear(found, 0.1 + 0.1 + DIAL_BACKOFF_S + ROOM_S, 100.0)


def test_a_stopped_spu_hides_attempts_until_it_starts() -> None:
    gone = ["send", "wait", "stop_spu", {"sleep": "2s"}, "start_spu", {"sleep": "1s"}, "send"]
    found = seen(workload=[*gone, "wait"])
    assert clear(found, 0.0, 0.0)
    assert not clear(found, 1.0, 1.1)
    assert clear(found, 2.0 + DIAL_BACKOFF_MAX_S + ROOM_S, 100.0)


def test_a_leader_leads_until_it_is_moved_and_not_while_it_is_stopped() -> None:
    history = played(
        workload=["send", "wait", {"move_leader": {"to": 1}}, {"stop_spu": {"spu": 1}}],
        cluster={"spus": 2},
    )
    evidence = Evidence(history)
    found = evidence.once(visibility)
    (moved,), (away,) = evidence.events_of(LeaderMoved), evidence.events_of(SpuStopped)
    for n, leads in ((moved.n - 1, "spu:0"), (moved.n + 1, "spu:1"), (away.n + 1, None)):
        assert [s for s in ("spu:0", "spu:1") if found.leads(s, 0, n)] == [leads] * bool(leads)
    assert found.may_have_moved_later("spu:0", 0, moved.n - 1)
    assert found.may_have_moved_later("spu:1", 0, moved.n)
    assert not found.may_have_moved_later("spu:0", 0, moved.n + 1)


def test_an_spu_that_recovers_leads_nothing_until_it_serves_it() -> None:
    history = played(
        cluster={"recovery": "500ms"},
        workload=["send", "wait", "stop_spu", "start_spu", {"sleep": "1s"}],
    )
    evidence = Evidence(history)
    found = evidence.once(visibility)
    (started,) = evidence.events_of(SpuStarted)
    (served,) = [e for e in evidence.events_of(PartitionServed) if e.topic == "greetings"]
    assert served.t == pytest.approx(started.t + 0.5)
    assert not found.leads("spu:0", 0, served.n)
    assert found.leads("spu:0", 0, served.n + 1)
    assert clear(found, started.t + DIAL_BACKOFF_MAX_S + ROOM_S, 100.0)


# --- requests that an SPU holds until their commit

HOLDING = {"isolation": "read-committed", "attempt_timeout": "1s"}


def held(commit_delay: str, *faults: Any, partitions: int = 1) -> Visibility:
    return seen(
        *faults,
        producer=HOLDING,
        cluster={"commit_delay": commit_delay},
        topic={"partitions": partitions},
        workload=[{"send": {"count": 20, "keys": 20}}, "wait", {"sleep": "3s"}],
    )


def test_a_short_hold_on_a_connection_that_lives_on_hides_nothing() -> None:
    assert clear(held("5ms", partitions=4), 0.0, 3.0)


def test_holds_that_together_outlast_half_an_attempt_hide_what_is_behind_them() -> None:
    found = held("150ms", partitions=4)
    assert found.hidden([0], 0.3, 0.4) == "held-request"
    assert clear(found, 0.3, 0.4, but={2})
    assert clear(found, 1.0, 3.0)


def test_a_connection_that_ends_during_a_hold_hides_what_is_behind_it() -> None:
    cut = {"disconnect": {"at": "response", "how": "rst", "nth": 1}}
    found = held("100ms", cut)
    assert found.hidden([0], 0.02, 0.03) == "held-request"
    assert clear(found, 1.0, 3.0)


def test_a_request_behind_a_hold_arrived_at_any_time_since_it_began() -> None:
    history = played(
        producer=HOLDING,
        cluster={"commit_delay": "100ms"},
        topic={"partitions": 2},
        workload=[{"send": {"count": 2, "keys": 2}}, "wait"],
    )
    evidence = Evidence(history)
    arrivals = evidence.once(holds)
    first, second = sorted(
        (sent[0] for sent in evidence.transmissions[:2]), key=lambda sent: sent.t
    )
    assert second.t == pytest.approx(first.t + 0.1)
    assert arrivals.arrived_from(first.number, first.t) == first.t
    assert arrivals.arrived_from(second.number, second.t) == first.t
    assert arrivals.read_by("spu:0", first.t + 0.01) == pytest.approx(second.t + 0.1)
    assert arrivals.read_by("spu:0", second.t + 0.5) == second.t + 0.5
