"""Runs in which a leader fails and an election leaves out what the client was told is stored."""

from typing import Any

from chaos.history import History
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, RETRY, played

LEADER_FAILS: dict[str, Any] = {
    "cluster": {"spus": 2, "replication": {"replicas": 2, "lag": "50ms"}},
    "producer": {"retry": RETRY, "attempt_timeout": "2s"},
    "workload": [
        "send",
        {"sleep": "200ms"},
        {"send": {"count": 2, "wait": True}},
        "fail_leader",
        {"sleep": "1s"},
        "send",
        "wait",
    ],
}
"""The second record is acknowledged and no follower has it; another one gets its offset."""


def with_a_copy_kept() -> History:
    """Return a run in which a record is stored, fetched by a follower and not answered; the second
    copy, which is acknowledged, is gone."""
    short = {"retry": RETRY, "attempt_timeout": "100ms"}
    return played({"drop": {"at": "response", "nth": 2}}, **{**LEADER_FAILS, "producer": short})


def unanswered() -> History:
    """Return a run of at-most-once in which a record is stored on the leader only, and never
    answered."""
    steps = ["send", {"sleep": "200ms"}, "send", {"sleep": "10ms"}, "fail_leader", {"sleep": "1s"}]
    changed = {"producer": AT_MOST_ONCE, "workload": [*steps, "wait"]}
    return played({"drop": {"at": "response", "nth": 2}}, **{**LEADER_FAILS, **changed})


def passed_by_a_late_copy() -> History:
    """Return a run in which a record is acknowledged and gone, and a request with it that was
    delayed is applied behind the next record."""
    steps = [
        "send",
        {"sleep": "200ms"},
        {"send": {"wait": True}},
        "fail_leader",
        {"sleep": "1s"},
        {"send": {"wait": True}},
        "start_spu",
        {"sleep": "100ms"},
        {"move_leader": {"to": 0}},
        {"sleep": "5s"},
    ]
    late = {"delay": {"at": "request", "by": "5s", "nth": 2}}
    short = {"retry": RETRY, "attempt_timeout": "500ms"}
    return played(late, **{**LEADER_FAILS, "producer": short, "workload": steps})
