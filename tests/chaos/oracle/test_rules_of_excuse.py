"""Each rule of excuse lets off a record or call that the unchanged client really meets."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaos.history import History
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.spec.loader import load_scenario_file
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, RETRY, played

DOCS = Path(__file__).parents[3] / "docs" / "chaos.md"
SCENARIOS = Path(__file__).parents[3] / "scenarios"

WITHOUT_A_RUN = {"cancelled", "closed", "under-way", "too-slow", "queue-full", "sc-unreachable"}
"""Rules for what a short run does not reach; the tests of their checks change a finished run."""

ONE_SHORT_TRY = {
    "attempt_timeout": "100ms",
    "retry": {**RETRY, "max_retries": 0, "initial_delay": "10ms"},
}


def drop(at: str = "request", **more: Any) -> dict[str, Any]:
    return {"drop": {"at": at, **more}}


def silent() -> History:
    """Return a run whose client was ended because it did not answer."""
    history = played(drop(), workload=["send"])
    record = replace(history.records[0], outcome="unknown", outcome_at=None)
    records = [record, *history.records[1:]]
    return replace(history, records=records, reports=[], producers=[], silent="wait: no answer")


def scenario_run(stem: str) -> History:
    """Return a run of a scenario of this project."""
    return run_scenario(load_scenario_file(SCENARIOS / f"{stem}.yaml").scenario())


RULES: dict[str, Any] = {
    "policy-used-up": lambda: played(drop(), producer=ONE_SHORT_TRY, workload=["send", "flush"]),
    "final-code": lambda: played(
        {"error": {"at": "request", "code": "MessageTooLarge"}}, workload=["send", "flush"]
    ),
    "client-ended": silent,
    "too-large": lambda: played(
        producer={"max_request_size": 1024}, workload=[{"send": {"size": 2000}}]
    ),
    "request-lost": lambda: played(drop(), producer=AT_MOST_ONCE, workload=["send", "wait"]),
    "lost-connection": lambda: scenario_run("at-most-once-reset-in-flight"),
    "spu-unreachable": lambda: played(
        {"refuse": {"server": "spu"}}, producer=AT_MOST_ONCE, workload=["send", "wait"]
    ),
}


def test_every_rule_of_a_loss_or_a_retry_has_its_run() -> None:
    text = DOCS.read_text(encoding="utf-8")
    table = text[text.index("| rule | lets off | in |") : text.index("| cause of blindness |")]
    named = {
        rule
        for row in table.splitlines()[2:]
        if re.search("`(no-loss|unprovoked-loss|retry-policy)`", row)
        for rule in re.findall("`([a-z-]+)`", row.split("|")[1])
    }
    assert named == RULES.keys() | WITHOUT_A_RUN


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_lets_off_what_the_unchanged_client_does(rule: str) -> None:
    result = judge(RULES[rule]())
    assert not result.broken
    assert any(rule in finding.excused for finding in result.findings), [
        (finding.check, finding.excused, finding.unseen) for finding in result.findings
    ]
