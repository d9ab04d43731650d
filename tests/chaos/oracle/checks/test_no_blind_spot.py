"""Each check is necessary: there is a defect that only this check catches.

The defects are those of the zoo. Each scenario is the smallest that shows its defect: nothing can
be left out of it and nothing made smaller.
"""

from typing import Any, NamedTuple

import pytest

from chaos.mutants import MUTANTS
from chaos.oracle.checks import CHECKS
from chaos.oracle.judge import Result, judge
from chaos.runner import run_scenario
from chaos.search.shrink import shrink, size_of
from chaos.spec.scenario import Scenario


class Case(NamedTuple):
    mutant: str
    size: tuple[int, int]
    """Records; faults and moves."""
    scenario: dict[str, Any]


AT_MOST_ONCE = {"delivery_semantic": "at-most-once"}
TWO_SPUS = {"cluster": {"spus": 2}, "topic": {"partitions": 2}}

STALE_LEADER = {
    "cluster": {"spus": 2},
    "producer": {**AT_MOST_ONCE, "response_timeout": "1300us"},
    "faults": [{"stall": {"at": "response", "nth": 1, "match": {"api": "watch"}}}],
    "workload": [
        "stop_spu",
        "send",
        {"sleep": "2500ms"},
        "start_spu",
        {"move_leader": {"to": 1}},
        {"send": {"count": 34, "pace": "94ms"}},
    ],
}
"""The SC cannot tell the client of a new leader."""

CASES = {
    "acked-is-stored": Case(
        "loses-the-log-on-restart",
        (1, 1),
        {"workload": ["send", "wait", "stop_spu"]},
    ),
    "no-loss": Case(
        "gives-up-early",
        (1, 1),
        {
            "producer": {"retry": {"max_retries": 1}},
            "faults": [{"drop": {"at": "request", "nth": 1}}],
            "workload": ["send", "wait"],
        },
    ),
    "unprovoked-loss": Case(
        "gives-up-at-the-first-connect",
        (1, 1),
        {
            "producer": AT_MOST_ONCE,
            "faults": [{"refuse": {"server": "spu"}}],
            "workload": ["send", "wait"],
        },
    ),
    "no-duplicates": Case(
        "retries-under-at-most-once",
        (1, 1),
        {
            "producer": AT_MOST_ONCE,
            "faults": [{"drop": {"at": "response", "nth": 1}}],
            "workload": ["send", "wait"],
        },
    ),
    "unprovoked-duplicate": Case(
        "appends-twice",
        (1, 1),
        {
            "faults": [{"delay": {"at": "request", "by": "1us", "nth": 1}}],
            "workload": ["send", "wait"],
        },
    ),
    "offset-is-true": Case(
        "off-by-one-base-offset",
        (0, 1),
        {"cluster": {"spus": 2}, "workload": [{"move_leader": {"to": 1}}]},
    ),
    "no-phantom": Case(
        "wrong-partition-for-a-key",
        (1, 1),
        {**TWO_SPUS, "workload": ["stop_spu", {"sleep": "200us"}, {"send": {"keys": 1}}]},
    ),
    "not-persisted-is-absent": Case(
        "reports-failed-for-unknown",
        (1, 1),
        {
            "producer": {"retry": {"max_retries": 0}},
            "faults": [{"drop": {"at": "response", "nth": 1}}],
            "workload": ["send", "wait"],
        },
    ),
    "order": Case(
        "two-requests-in-flight",
        (2, 1),
        {
            "faults": [{"drop": {"at": "request", "nth": 1}}],
            "workload": [{"send": {"count": 2, "pace": "1us"}}, "wait"],
        },
    ),
    "retry-policy": Case(
        "resets-the-backoff",
        (1, 2),
        {"faults": [{"drop": {"at": "response", "nth": [1, 2]}}], "workload": ["send", "wait"]},
    ),
    "bounded": Case(
        "wait-hangs-after-a-reset",
        (1, 1),
        {
            "producer": AT_MOST_ONCE,
            "faults": [{"disconnect": {"at": "response", "nth": 1}}],
            "workload": ["send", "wait"],
        },
    ),
    "flush-settles": Case(
        "flush-returns-early",
        (1, 1),
        {"faults": [{"drop": {"at": "response", "nth": 1}}], "workload": ["send", "flush"]},
    ),
    "told-once": Case(
        "callback-missing-on-close",
        (1, 0),
        {"workload": ["send", "close"]},
    ),
    "alive-after-heal": Case(
        "does-not-follow-the-leader",
        (0, 1),
        {
            "cluster": {"spus": 2},
            "producer": {"retry": {"max_retries": 1}},
            "workload": [{"move_leader": {"to": 1}}],
        },
    ),
    "recovers": Case(
        "renews-the-metadata-when-it-is-quiet",
        (35, 4),
        STALE_LEADER,
    ),
    "connections": Case(
        "dials-although-one-is-under-way",
        (0, 0),
        {"topic": {"partitions": 2}, "workload": ["flush"]},
    ),
    "read-what-is-stored": Case(
        "ends-one-record-early",
        (0, 0),
        {"workload": ["consume"]},
    ),
    "as-configured": Case(
        "keeps-the-leader-of-a-request",
        (1, 1),
        {
            "cluster": {"spus": 2},
            "workload": [{"send": {"pace": "380us"}}, {"move_leader": {"to": 1}}],
        },
    ),
    "speaks": Case(
        "asserts-that-all-is-delivered",
        (1, 1),
        {
            "faults": [{"error": {"at": "request", "code": "TopicNotFound", "nth": 1}}],
            "workload": ["send", "flush"],
        },
    ),
    "always": Case(
        "one-batch-in-a-request",
        (3, 0),
        {
            "network": {"latency": "10ms"},
            "producer": {"batch_size": 1},
            "workload": [{"send": {"count": 3}}, "flush"],
            "always": {"flush": {"max": "..90ms"}},
        },
    ),
}


def result_of(data: dict[str, Any]) -> Result:
    scenario = {"name": "the smallest", "worlds": ["virtual"], **data}
    return judge(run_scenario(Scenario.model_validate(scenario)))


def test_every_check_has_its_defect() -> None:
    assert list(CASES) == list(CHECKS)


@pytest.mark.parametrize("check", CASES)
def test_only_this_check_catches_it(check: str) -> None:
    case = CASES[check]
    with MUTANTS[case.mutant].applied():
        result = result_of(case.scenario)
    assert [finding.check for finding in result.broken] == [check]
    assert size_of(case.scenario) == case.size


@pytest.mark.parametrize("check", CASES)
def test_without_the_defect_no_check_reports_a_violation(check: str) -> None:
    result = result_of(CASES[check].scenario)
    assert not result.broken
    records, _ = CASES[check].size
    assert result.reasons == (() if records else ("nothing was sent",))


@pytest.mark.parametrize("check", CASES)
def test_no_smaller_scenario_shows_the_defect(check: str) -> None:
    case = CASES[check]

    def shows(data: dict[str, Any]) -> bool:
        try:
            broken = result_of(data).broken
        except ValueError:
            return False  # the rest is not a valid scenario
        return check in {finding.check for finding in broken}

    with MUTANTS[case.mutant].applied():
        assert size_of(shrink(case.scenario, shows)) == case.size
