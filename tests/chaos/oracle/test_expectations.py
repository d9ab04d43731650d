"""What a scenario demands: ``always`` in every run, ``sometimes`` in one."""

from dataclasses import replace
from typing import Any

import pytest

from chaos.history import History, Need
from chaos.oracle.checks import always
from chaos.oracle.evidence import Evidence
from chaos.oracle.expectations import assessed
from chaos.oracle.judge import Result, judge
from chaos.spec.expectations import Expectations
from simulator.events import ConnectionClosed
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, judged, played, said, without

LOST_ANSWER = {"drop": {"at": "response", "nth": 2}}
ONE_BY_ONE = [{"send": {"count": 3, "wait": True}}, "flush"]


def demanding(history: History, **expectations: Any) -> History:
    """Return the same run with other demands."""
    made = Expectations.model_validate(expectations)
    return replace(history, scenario=history.scenario.model_copy(update={"always": made}))


def hoping(history: History, **expectations: Any) -> Result:
    """Return the verdict on the same run with other expectations under ``sometimes``."""
    made = Expectations.model_validate(expectations)
    scenario = history.scenario.model_copy(update={"sometimes": made})
    return judge(replace(history, scenario=scenario))


def figure(history: History, path: str) -> float:
    """Return a figure of a run, in seconds if it is a time."""
    name, _, which = path.partition(".")
    wanted = {which: "0s.."} if which else "0s.." if name == "recovery" else "0.."
    [each] = assessed(Evidence(demanding(history, **{name: wanted})))
    assert each.figure is not None
    return each.figure.value


@pytest.fixture(scope="module")
def retried() -> History:
    """Three records; the answer to the second is lost, and the record is sent again."""
    return played(LOST_ANSWER, workload=ONE_BY_ONE)


@pytest.mark.parametrize(
    ("demand", "holds"),
    [
        ({"lost": 0}, True),
        ({"lost": "1.."}, False),
        ({"duplicated": 1}, True),
        ({"duplicated": "..1"}, True),
        ({"duplicated": 0}, False),
        ({"duplicated": "2..5"}, False),
        ({"acknowledged": 3}, True),
        ({"acknowledged": "..2"}, False),
        ({"failed": 0, "unknown": 0}, True),
        ({"attempts": 2}, True),
        ({"attempts": "..1"}, False),
        ({"connections": 2}, True),
        ({"connections": "3.."}, False),
        ({"wait": {"max": "..1.2s"}}, True),
        ({"wait": {"max": "..1s"}}, False),
        ({"wait": {"max": "2s..3s"}}, False),
        ({"recovery": "1s..1.2s"}, True),
        ({"recovery": "..500ms"}, False),
    ],
)
def test_a_demand_that_is_missed_is_a_broken_promise(
    retried: History, demand: dict[str, Any], holds: bool
) -> None:
    result = judge(demanding(retried, **demand))
    assert result.verdict == ("valid" if holds else "invalid")
    assert {finding.check for finding in result.broken} <= {"always"}


def test_the_text_names_the_demand_and_what_was_found(retried: History) -> None:
    text = "always: duplicated 0, but it was 1"
    assert said(always, demanding(retried, duplicated=0)) == [text]
    [wait] = said(always, demanding(retried, wait={"max": "..1s"}))
    assert wait.startswith("always: wait.max ..1s, but it was 1.10")


def test_records_that_are_counted_in_excess_or_missing_have_their_narratives(
    retried: History,
) -> None:
    for demand, records in (({"duplicated": 0}, (1,)), ({"duplicated": 3}, (0, 2))):
        [violation] = always.check(Evidence(demanding(retried, **demand))).violations
        assert violation.records == records
    [violation] = always.check(Evidence(demanding(retried, attempts=1))).violations
    assert violation.records == (1,)


def test_sometimes_must_occur_or_the_run_proves_nothing(retried: History) -> None:
    assert hoping(retried, duplicated="1..").verdict == "valid"
    result = hoping(retried, lost="1..", duplicated=1)
    assert (result.verdict, result.reasons) == (
        "inconclusive",
        ("sometimes: lost 1.. did not occur: it was 0",),
    )


def test_a_figure_that_the_run_does_not_have_is_not_judged(retried: History) -> None:
    calm = demanding(played(workload=["send", "wait"]), flush={"max": "..1s"}, recovery="..1s")
    assert judged(always, calm) == 0
    assert judge(calm).reasons == (
        "always: flush.max ..1s was not judged: the run has no such figure",
        "always: recovery ..1s was not judged: the run has no such figure",
    )
    assert judge(calm, example=True).verdict == "valid"


def test_times_over_real_sockets_are_judged_if_the_scenario_names_that_world_alone(
    retried: History,
) -> None:
    demand = demanding(replace(retried, world="tcp"), wait={"max": "..1ms"}, duplicated=1)
    for worlds, count in ((["virtual", "tcp"], 1), (["tcp"], 2)):
        scenario = demand.scenario.model_copy(update={"worlds": worlds})
        assert judged(always, replace(demand, scenario=scenario)) == count


def test_probes_and_their_connections_do_not_count() -> None:
    history = played(workload=["flush"], topic={"partitions": 4})
    assert sum(record.probe for record in history.records) == 4
    for path in ("acknowledged", "attempts", "connections"):
        assert figure(history, path) == 0


def test_the_99th_percentile_leaves_out_one_call_in_a_hundred() -> None:
    slow = {"delay": {"at": "response", "by": "500ms", "nth": 50}}
    history = played(slow, workload=[{"send": {"count": 100, "wait": True}}])
    assert figure(history, "wait.max") > 0.5
    assert figure(history, "wait.p99") < 0.01
    assert figure(history, "send.max") < 0.01
    assert figure(history, "close.max") < 0.01


def test_a_call_that_never_ended_took_at_least_its_time() -> None:
    history = played(workload=["send", "flush"])
    [flush] = [call for call in history.calls if call.op == "flush"]
    hung = replace(flush, ended=None, given_up=flush.started + 20.0)
    calls = [hung if call is flush else call for call in history.calls]
    hanging = replace(history, calls=calls)
    [text] = said(always, demanding(hanging, flush={"max": "..10s"}))
    assert text == "always: flush.max ..10s, but it was at least 20 s"
    assert not said(always, demanding(hanging, flush={"max": "30s.."}))
    assert not said(always, demanding(replace(hanging, crash="it ended"), flush={"max": "..10s"}))


def test_losses_of_a_run_that_was_not_drained_are_not_judged() -> None:
    history = played({"drop": {"at": "request"}}, workload=["send", "wait"])
    demand = demanding(history, lost=0)
    assert said(always, demand) == ["always: lost 0, but it was 1"]
    assert not said(always, replace(demand, drained=False))


@pytest.mark.parametrize(
    ("need", "demand"),
    [
        (Need.LOGS, {"duplicated": 0}),
        (Need.FRAMES, {"attempts": 1}),
        (Need.CLOCK, {"recovery": "..1ms"}),
        (Need.CALLS, {"wait": {"max": "..1ms"}}),
    ],
)
def test_a_figure_that_the_world_or_the_driver_never_gives_is_not_judged(
    retried: History, need: Need, demand: dict[str, Any]
) -> None:
    history = demanding(retried, **demand)
    assert said(always, history)
    assert not said(always, replace(history, lacks={need: "it has none"}))


# --- recovery


def test_recovery_counts_from_the_end_of_a_delay() -> None:
    late = {"delay": {"at": "request", "by": "300ms", "nth": 1}}
    assert figure(played(late, workload=["send", "wait"]), "recovery") < 0.01


def test_recovery_does_not_count_time_in_which_nothing_is_open() -> None:
    stopped = ["stop_spu", {"sleep": "100ms"}, "start_spu", {"sleep": "5s"}, "send", "wait"]
    assert figure(played(workload=stopped), "recovery") < 0.1


def test_recovery_from_a_restart_counts_from_the_time_at_which_the_partition_is_served() -> None:
    restarted = ["stop_spu", "start_spu", {"send": {"count": 10, "pace": "100ms"}}, "wait"]
    slow = {"cluster": {"recovery": "500ms"}, "producer": AT_MOST_ONCE}
    assert figure(played(workload=restarted, **slow), "recovery") < 0.11


def test_a_recovery_that_ends_with_healing_is_no_time_of_the_workload() -> None:
    stopped = ["send", "wait", "stop_spu", "send"]
    slow = {"cluster": {"recovery": "300ms"}, "producer": {"retry": {"timeout": "1s"}}}
    assert not assessed(Evidence(demanding(played(workload=stopped, **slow), recovery="..1s")))[
        0
    ].figure


def test_recovery_from_a_stall_counts_from_the_end_of_its_connection() -> None:
    stall = {"stall": {"at": "response", "nth": 1}}
    history = played(stall, workload=["send", "wait"])
    assert figure(history, "recovery") == pytest.approx(0.1, abs=0.01)
    ever = without(history, lambda event: isinstance(event, ConnectionClosed))
    assert not assessed(Evidence(demanding(ever, recovery="..1s")))[0].figure


def test_a_client_that_acknowledges_nothing_more_recovers_at_the_end_at_the_earliest() -> None:
    cut = {"disconnect": {"at": "response"}}
    workload: list[Any] = ["send", "wait"]
    history = played(cut, workload=workload, producer=AT_MOST_ONCE)
    [found] = assessed(Evidence(demanding(history, recovery="10s..")))
    assert found.figure is not None
    assert found.figure.at_least
    assert found.met


def test_a_send_that_was_cancelled_is_no_open_record_of_a_recovery() -> None:
    history = played(
        {"delay": {"by": "50ms", "at": "response", "nth": [1, 2, 3, 4, 5, 6]}},
        cluster={"spus": 2},
        producer={"batch_queue_size": 1, "batch_size": 200},
        workload=[
            {"send": {"count": 50, "cancel_after": "1ms"}},
            "wait",
            {"sleep": "1s"},
            {"move_leader": {"to": 1}},
            {"sleep": "10s"},
            "send",
            "wait",
        ],
    )
    assert any(record.cancelled_at is not None for record in history.records)
    assert figure(history, "recovery") < 2


def test_a_cut_has_an_end_to_recover_from() -> None:
    stream = {"send": {"count": 5, "pace": "10ms"}}
    history = played(workload=[stream, {"cut": {"server": "spu"}}, stream, "wait"])
    assert figure(history, "recovery") < 2


def test_the_time_of_a_cancelled_flush_is_at_least_what_it_took() -> None:
    workload = [{"send": {"count": 2}}, {"flush": {"cancel_after": "0ms"}}, "wait"]
    assert said(always, demanding(played(workload=workload), flush={"max": "1s..2s"})) == []
