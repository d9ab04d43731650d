"""Without faults no mutant that needs one breaks a promise."""

from typing import Any

import pytest

from chaos.mutants import MUTANTS
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario

POLICY = {
    "max_retries": 5,
    "initial_delay": "10ms",
    "max_delay": "2s",
    "timeout": "10s",
    "strategy": "fibonacci-backoff",
}

BUSY: dict[str, Any] = {
    "name": "no faults",
    "worlds": ["virtual"],
    "cluster": {"spus": 2, "commit_delay": "2ms"},
    "topic": {"partitions": 3},
    "producer": {
        "batch_size": 300,
        "batch_queue_size": 1,
        "linger": "5ms",
        "compression": "gzip",
        "retry": POLICY,
    },
    "workload": [
        {"send": {"count": 12, "keys": 5}},
        "flush",
        {"send": {"count": 6, "pace": "3ms"}},
        "wait",
        {"send_all": {"count": 8}},
        {"send": {"count": 2, "wait": True}},
    ],
}
"""Many small batches of three partitions on two SPUs, and ``send`` waits for room."""


@pytest.mark.parametrize("name", [name for name in MUTANTS if MUTANTS[name].faults])
def test_a_mutant_keeps_every_promise_as_long_as_no_fault_strikes(name: str) -> None:
    mutant = MUTANTS[name]
    for semantic in mutant.semantics:
        producer = {**BUSY["producer"], "delivery_semantic": semantic}
        with mutant.applied():
            result = judge(run_scenario(Scenario.model_validate({**BUSY, "producer": producer})))
        assert (result.verdict, [f.violations[0].text for f in result.broken]) == ("valid", [])
        assert result.figures["acknowledged"] == result.figures["sent"]
