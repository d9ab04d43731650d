"""The reasons of an inconclusive verdict, from which an author mends a scenario."""

from dataclasses import replace
from typing import Any

from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario
from simulator.events import DialRefused
from simulator.faults.armed import FaultCount
from tests.garbage import garbage_of


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


def test_an_optional_fault_need_not_strike() -> None:
    assert reasons_of(faults=[{"drop": {"nth": 2, "optional": True}}], workload=["send"]) == ()


def test_a_run_that_sent_no_record_shows_nothing() -> None:
    assert reasons_of(workload=["flush"]) == ("nothing was sent",)


# --- a listener that is closed


def refused(server: str) -> dict[str, Any]:
    return {"refuse": {"name": "closed", "server": server}}


def test_a_closed_listener_has_struck_once_a_connect_was_refused() -> None:
    scenario = Scenario.model_validate(
        {"name": "x", "faults": [refused("spu")], "workload": ["send", {"sleep": "1s"}]}
    )
    history = run_scenario(scenario)
    refusals = [event for event in history.events if isinstance(event, DialRefused)]
    assert len(refusals) > 1
    assert {event.server for event in refusals} == {"spu:0"}
    result = judge(history)
    assert (dict(result.fired), result.reasons) == ({"closed": len(refusals)}, ())


def test_a_closed_listener_to_which_no_client_came_has_not_struck() -> None:
    found = reasons_of(
        cluster={"spus": 2}, faults=[refused("spu:1")], workload=["send", {"sleep": "1s"}]
    )
    assert found == ("fault closed never struck",)


def test_whether_a_closed_listener_struck_a_client_that_dials_by_itself_is_unknown() -> None:
    scenario = Scenario.model_validate(
        {"name": "x", "faults": [refused("spu")], "workload": ["send", {"sleep": "1s"}]}
    )
    history = run_scenario(scenario)
    result = judge(replace(history, faults={"closed": FaultCount(fired=None)}))
    assert (dict(result.fired), result.verdict) == ({"closed": None}, "valid")
    assert result.notes == (
        "fault closed: the client dials by itself, which hides whether it was refused",
    )


def test_a_judgement_leaves_nothing_to_the_garbage_collector() -> None:
    lossy = {"faults": [{"drop": {"at": "response", "nth": 1}}]}
    history = run_scenario(
        Scenario.model_validate({"name": "x", **lossy, "workload": ["send", "flush"]})
    )
    assert judge(history).verdict == "valid"
    assert garbage_of(lambda: judge(history)) == 0
