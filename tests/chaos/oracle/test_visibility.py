"""Visibility: outside blind spots every attempt leaves an event."""

from math import inf
from typing import Any

import pytest

from chaos.oracle.evidence import Evidence
from chaos.oracle.visibility import Visibility, visibility
from chaos.spec.bounds import DIAL_BACKOFF_MAX_S, DIAL_BACKOFF_S
from simulator.events import LeaderMoved, SpuStopped
from tests.chaos.oracle.checks.playing import played

WAIT_S = 1.0
"""The attempt timeout of these runs."""

ROOM_S = 0.01
"""More than the margin on both sides of a blind spot."""


def seen(*faults: Any, **more: Any) -> Visibility:
    return Evidence(played(*faults, **more)).once(visibility)


def test_without_faults_there_is_no_blind_spot() -> None:
    found = seen()
    assert found.clear(0.0, 100.0)
    assert not found.blind
    assert (found.lost(2), found.lost_by(2), found.leaders_unknown_from) == (inf, inf, inf)


def test_a_dropped_frame_makes_no_blind_spot_since_it_was_read() -> None:
    assert seen({"drop": {"at": "request", "nth": 1}}).clear(0.0, 100.0)


def test_a_stall_hides_attempts_on_its_own_connection_only() -> None:
    found = seen({"stall": {"at": "request", "nth": 1}})
    assert not found.clear(0.0, 0.5)
    assert found.clear(0.0, 0.5, but={2})
    assert not found.clear(0.0, 0.5, but={3})


def test_a_reset_connection_is_lost_from_then_on() -> None:
    found = seen({"disconnect": {"at": "response", "how": "rst", "nth": 1}})
    assert found.lost(2) == pytest.approx(0.0013)
    assert found.lost_by(2) > found.lost(2)
    assert found.lost(3) == inf
    assert not found.clear(0.0, ROOM_S)


@pytest.mark.parametrize("how", ["refuse", "rst", "hang"])
def test_a_refusing_server_hides_attempts(how: str) -> None:
    fault = {"refuse": {"server": "spu", "how": how, "between": ["0ms", "500ms"]}}
    found = seen(fault)
    assert not found.clear(0.0, 0.5)
    assert found.clear(0.5 + WAIT_S + DIAL_BACKOFF_MAX_S + ROOM_S, 100.0)
    assert found.backing_off(0.2, 0.4)
    assert not found.backing_off(0.5, 0.6 + WAIT_S + DIAL_BACKOFF_MAX_S)


def test_the_backoff_is_no_longer_than_the_time_in_which_dials_failed() -> None:
    fault = {"refuse": {"server": "spu", "how": "refuse", "between": ["0ms", "100ms"]}}
    found = seen(fault)
    assert not found.clear(0.15, 0.16)
    assert found.clear(0.1 + 0.1 + DIAL_BACKOFF_S + ROOM_S, 100.0)


def test_a_stopped_spu_hides_attempts_until_it_starts() -> None:
    gone = ["send", "wait", "stop_spu", {"sleep": "2s"}, "start_spu", {"sleep": "1s"}, "send"]
    found = seen(workload=[*gone, "wait"])
    assert found.clear(0.0, 0.0)
    assert not found.clear(1.0, 1.1)
    assert found.clear(2.0 + DIAL_BACKOFF_MAX_S + ROOM_S, 100.0)


def test_a_leader_leads_until_it_is_moved_and_not_while_it_is_stopped() -> None:
    history = played(
        workload=["send", "wait", {"move_leader": {"to": 1}}, {"stop_spu": {"spu": 1}}],
        cluster={"spus": 2},
    )
    evidence = Evidence(history)
    found = evidence.once(visibility)
    (moved,), (away,) = evidence.events_of(LeaderMoved), evidence.events_of(SpuStopped)
    for n, leads in ((moved.n - 1, "spu:0"), (moved.n + 1, "spu:1"), (away.n + 1, None)):
        assert [s for s in ("spu:0", "spu:1") if found.leads(s, 0, n, 0.1)] == [leads] * bool(leads)
    assert found.may_have_moved_later("spu:0", 0, moved.n - 1)
    assert found.may_have_moved_later("spu:1", 0, moved.n)
    assert not found.may_have_moved_later("spu:0", 0, moved.n + 1)


def test_waiting_for_commits_hides_when_a_request_arrived() -> None:
    found = seen(
        producer={"isolation": "read-committed", "attempt_timeout": "1s"},
        cluster={"commit_delay": "5ms"},
    )
    assert found.blind
    assert not found.clear(0.0, 100.0)
