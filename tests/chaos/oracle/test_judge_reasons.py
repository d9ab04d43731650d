"""The reasons of an inconclusive verdict, from which an author mends a scenario."""

from typing import Any

from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario


def reasons_of(**fields: Any) -> tuple[str, ...]:
    """Return the reasons of a run in virtual time."""
    return judge(run_scenario(Scenario.model_validate({"name": "x", **fields}))).reasons


AT_MOST_ONCE = {"delivery_semantic": "at-most-once"}


def test_a_fault_that_found_no_exchange_never_struck() -> None:
    found = reasons_of(faults=[{"drop": {"nth": 2}}], workload=["send", "wait"])
    assert found == ("fault drop-1 never struck",)


def test_records_that_were_under_way_when_faults_ended_are_named_as_the_reason() -> None:
    found = reasons_of(
        producer=AT_MOST_ONCE, faults=["drop"], workload=[{"send": {"count": 1000}}, "flush"]
    )
    assert found == (
        "fault drop-1 never struck; faults end with the last step, when 1,000 records were still"
        " under way: end with wait",
    )


def test_one_record_under_way_is_one() -> None:
    found = reasons_of(producer=AT_MOST_ONCE, faults=["drop"], workload=["send", "flush"])
    assert "when 1 record was still under way" in found[0]


def test_a_fault_is_shadowed_if_another_one_always_takes_precedence() -> None:
    found = reasons_of(
        producer={**AT_MOST_ONCE, "response_timeout": "1s"},
        faults=[{"stall": {"at": "request"}}, {"drop": {"at": "request"}}],
        workload=["send", "wait"],
    )
    assert found == ("fault drop-2 never struck; it was shadowed by stall-1, once",)
