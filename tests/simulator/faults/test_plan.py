from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from simulator.faults.effects import NOTHING, Action, CutPoint, Effect, StruckEntries
from simulator.faults.kinds.delay import Delay
from simulator.faults.kinds.disconnect import Disconnect
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.duplicate import Duplicate
from simulator.faults.kinds.error import Error
from simulator.faults.kinds.refuse import Refuse
from simulator.faults.kinds.stall import Stall
from simulator.faults.model import Fault, Match
from simulator.faults.plan import FaultPlan, FrameVerdict
from tests.simulator.exchanges import (
    REQUEST,
    RESPONSE,
    TOPIC,
    counts,
    other,
    produce,
    strikes,
    struck,
)


def only(faults: Sequence[Fault], at: CutPoint = REQUEST) -> tuple[FrameVerdict, FaultPlan]:
    """The verdict on the first exchange."""
    plan = FaultPlan(faults, seed=7)
    exchange = produce(TOPIC)
    plan.begin(exchange)
    verdict = plan.verdict(exchange, at, 0.0)
    assert verdict is not None
    return verdict, plan


# --- cut points and triggers


@pytest.mark.parametrize(
    ("at", "request_struck", "response_struck"),
    [("request", True, False), ("response", False, True), ("both", True, True)],
)
def test_a_fault_strikes_at_its_cut_point(
    at: str, request_struck: bool, response_struck: bool
) -> None:
    plan = FaultPlan([Drop(at=at)], seed=7)
    exchange = produce(TOPIC)
    plan.begin(exchange)
    assert (plan.verdict(exchange, REQUEST, 0.0) is not None) == request_struck
    assert (plan.verdict(exchange, RESPONSE, 0.0) is not None) == response_struck


def test_without_faults_nothing_strikes() -> None:
    assert struck(FaultPlan([], seed=7), [produce(TOPIC)] * 3) == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Drop(), [1, 2, 3, 4, 5, 6]),
        (Drop(nth=2), [2]),
        (Drop(nth=[1, 5, 99]), [1, 5]),
        (Drop(every=2), [2, 4, 6]),
        (Drop(every=1), [1, 2, 3, 4, 5, 6]),
        (Drop(probability=0), []),
        (Drop(probability=1), [1, 2, 3, 4, 5, 6]),
        (Drop(limit=2), [1, 2]),
        (Drop(every=2, limit=2), [2, 4]),
    ],
)
def test_a_trigger_chooses_among_the_exchanges(fault: Drop, expected: list[int]) -> None:
    assert struck(FaultPlan([fault], seed=7), [produce(TOPIC) for _ in range(6)]) == expected


@pytest.mark.parametrize(
    ("elapsed_s", "inside"),
    [(-1.0, False), (0.999, False), (1.0, True), (2.999, True), (3.0, False)],
)
def test_a_window_holds_from_its_start_to_before_its_end(elapsed_s: float, inside: bool) -> None:
    plan = FaultPlan([Drop(between=["1s", "3s"])], seed=7)
    assert strikes(plan, produce(TOPIC), REQUEST, elapsed_s) == inside


def test_ordinals_count_outside_of_the_window_too() -> None:
    plan = FaultPlan([Drop(nth=2, between=["1s", "3s"])], seed=7)
    assert not strikes(plan, produce(TOPIC), elapsed_s=0.0)
    assert strikes(plan, produce(TOPIC), elapsed_s=2.0)


@pytest.mark.parametrize("probability", [0.01, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("seed", [0, 7, -3, 2**70])
def test_a_probability_is_how_often_it_strikes(probability: float, seed: int) -> None:
    plan = FaultPlan([Drop(probability=probability, at="request")], seed)
    fired = len(struck(plan, [produce(TOPIC) for _ in range(10_000)]))
    # Four standard deviations: of sixteen fixed seeds none is further out.
    assert (
        abs(fired - 10_000 * probability) <= 4 * (10_000 * probability * (1 - probability)) ** 0.5
    )


def test_a_drawn_delay_follows_its_distribution() -> None:
    plan = FaultPlan([Delay(by={"uniform": ["10ms", "20ms"]}, at="request")], seed=7)
    delays = []
    for _ in range(1000):
        exchange = produce(TOPIC)
        plan.begin(exchange)
        verdict = plan.verdict(exchange, REQUEST, 0.0)
        assert verdict is not None
        delays.append(verdict.delay_s)
    assert len(set(delays)) == 1000
    assert all(0.01 <= delay < 0.02 for delay in delays)
    assert 450 <= sum(delay < 0.015 for delay in delays) <= 550


def test_whether_it_strikes_says_nothing_about_how_long() -> None:
    plan = FaultPlan([Delay(by={"uniform": ["0ms", "1s"]}, probability=0.5, at="request")], seed=7)
    delays = []
    for _ in range(1000):
        exchange = produce(TOPIC)
        plan.begin(exchange)
        if verdict := plan.verdict(exchange, REQUEST, 0.0):
            delays.append(verdict.delay_s)
    # With one draw for both, all of them would be below half a second.
    assert 0.45 < sum(delay < 0.5 for delay in delays) / len(delays) < 0.55


# --- matching


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        ({}, True),
        ({"api": "fetch"}, False),
        ({"api": "all"}, True),
        ({"topic": "greetings"}, True),
        ({"topic": "news"}, True),
        ({"topic": "other"}, False),
        ({"partition": 0}, True),
        ({"partition": 5}, True),
        ({"partition": 1}, False),
        ({"topic": "greetings", "partition": 5}, False),
        ({"spu": 2}, True),
        ({"spu": 0}, False),
        ({"connection": 4}, True),
        ({"connection": 5}, False),
        ({"client_id": "me"}, True),
        ({"client_id": "you"}, False),
    ],
)
def test_a_match_asks_for_all_of_its_fields(match: dict[str, object], matches: bool) -> None:
    plan = FaultPlan([Drop(match=match)], seed=7)
    exchange = produce(("greetings", 0), ("news", 5), connection=4, spu=2, client_id="me")
    assert strikes(plan, exchange) == matches


def test_the_sc_is_no_spu() -> None:
    assert not strikes(FaultPlan([Drop(match=Match(api="list", spu=0))], seed=7), other())
    assert strikes(FaultPlan([Drop(match=Match(api="list"))], seed=7), other())


def test_a_request_without_partitions_matches_only_if_asked_for() -> None:
    assert not strikes(FaultPlan([Drop()], seed=7), produce())
    assert not strikes(FaultPlan([Drop(match=Match(api="all"))], seed=7), produce())
    assert strikes(FaultPlan([Drop(empty=True)], seed=7), produce())
    assert not strikes(FaultPlan([Drop(empty=True, match=Match(partition=0))], seed=7), produce())


def test_a_fault_on_a_topic_concerns_no_request_without_one() -> None:
    plan = FaultPlan([Drop(match=Match(api="all", topic="greetings"))], seed=7)
    assert not strikes(plan, other())
    assert strikes(plan, produce(TOPIC))


# --- several faults on one frame


def test_delays_add_up() -> None:
    verdict, plan = only([Delay(by="10ms"), Delay(by="5ms")])
    assert verdict.delay_s == pytest.approx(0.015)
    assert (verdict.terminal, verdict.copies) == (NOTHING, 1)
    assert counts(plan) == {"delay-1": (1, 0), "delay-2": (1, 0)}


def test_a_delayed_frame_has_its_terminal_fault_too() -> None:
    verdict, plan = only([Drop(), Delay(by="10ms")])
    assert (verdict.delay_s, verdict.terminal) == (0.01, Action(swallow=True))
    assert counts(plan) == {"drop-1": (1, 0), "delay-2": (1, 0)}


def test_each_duplicate_adds_a_copy() -> None:
    verdict, plan = only([Duplicate(), Duplicate()])
    assert (verdict.copies, verdict.terminal) == (3, NOTHING)
    assert verdict.duplicated_by == ("duplicate-1", "duplicate-2")
    assert counts(plan) == {"duplicate-1": (1, 0), "duplicate-2": (1, 0)}


@pytest.mark.parametrize(
    "terminal",
    [Drop(), Stall(), Error(code="Other")]
    + [Disconnect(how=how) for how in ("rst", "fin", "half-close")],
)
def test_the_first_terminal_fault_shadows_the_rest_and_all_duplicates(
    terminal: Drop | Stall | Error | Disconnect,
) -> None:
    verdict, plan = only([Duplicate(), terminal, Drop(name="late"), Duplicate(), Delay(by="1ms")])
    assert verdict.terminal == terminal.action(REQUEST)
    assert (verdict.copies, verdict.delay_s) == (1, 0.001)
    assert counts(plan) == {
        "duplicate-1": (0, 1),
        f"{terminal.kind}-2": (1, 0),
        "late": (0, 1),
        "duplicate-4": (0, 1),
        "delay-5": (1, 0),
    }


def test_a_limit_counts_all_partitions_connections_and_cut_points_together() -> None:
    plan = FaultPlan([Delay(by="1ms", limit=3)], seed=7)
    verdicts = []
    for connection, partition in ((1, 0), (2, 1), (3, 0)):
        exchange = produce((TOPIC[0], partition), connection=connection)
        plan.begin(exchange)
        verdicts += [bool(plan.verdict(exchange, at, 0.0)) for at in (REQUEST, RESPONSE)]
    assert verdicts == [True, True, True, False, False, False]
    assert counts(plan) == {"delay-1": (3, 0)}


def test_a_shadowed_fault_keeps_its_limit() -> None:
    plan = FaultPlan([Drop(nth=1), Stall(limit=1)], seed=7)
    endings = []
    for _ in range(3):
        exchange = produce(TOPIC)
        plan.begin(exchange)
        verdict = plan.verdict(exchange, REQUEST, 0.0)
        endings.append(verdict.terminal if verdict else None)
    assert endings == [Action(swallow=True), Action(silence=True), None]
    assert counts(plan) == {"drop-1": (1, 0), "stall-2": (1, 1)}


def test_a_fault_at_its_limit_is_not_shadowed_any_more() -> None:
    plan = FaultPlan([Stall(name="first", nth=[2]), Drop(limit=1)], seed=7)
    assert struck(plan, [produce(TOPIC), produce(TOPIC)]) == [1, 2]
    assert counts(plan) == {"first": (1, 0), "drop-2": (1, 0)}


def test_an_error_names_the_partition_that_it_was_counted_for() -> None:
    plan = FaultPlan([Error(code="Other", match=Match(topic="b"))], seed=7)
    exchange = produce(("a", 0), ("b", 1), ("b", 2))
    plan.begin(exchange)
    verdict = plan.verdict(exchange, REQUEST, 0.0)
    assert verdict is not None
    assert verdict.target == StruckEntries("b", 1)


def test_a_fault_of_an_entry_concerns_what_stands_at_that_position_and_nothing_else() -> None:
    fault = Error(code="Other", nth=[2], match=Match(entry=1, topic="b"))
    plan = FaultPlan([fault], seed=7)
    too_short, elsewhere = produce(("b", 0)), produce(("b", 0), ("a", 1))
    fitting = produce(("a", 0), ("b", 1), ("b", 1))
    again = produce(("a", 0), ("b", 1), ("b", 1))
    assert struck(plan, [too_short, elsewhere, fitting, again]) == [4]
    plan = FaultPlan([Error(code="Other", match=Match(entry=1))], seed=7)
    once_more = produce(("a", 0), ("b", 1), ("b", 1))
    plan.begin(once_more)
    verdict = plan.verdict(once_more, REQUEST, 0.0)
    assert verdict is not None
    assert verdict.target == StruckEntries("b", 1, 1)


def test_a_fault_of_an_entry_matches_no_request_without_entries() -> None:
    plan = FaultPlan([Drop(match=Match(entry=0), empty=True)], seed=7)
    assert struck(plan, [produce()]) == []


def test_an_error_for_an_api_without_partitions_concerns_the_whole_answer() -> None:
    plan = FaultPlan([Error(code="Other", match=Match(api="create"))], seed=7)
    exchange = other("create")
    plan.begin(exchange)
    verdict = plan.verdict(exchange, REQUEST, 0.0)
    assert verdict is not None
    assert verdict.terminal == Action(code="Other")
    assert verdict.target is None


def test_a_verdict_lists_the_decision_of_each_fault() -> None:
    verdict, _ = only(
        [Delay(name="slow", by="10ms"), Disconnect(how="fin", after_bytes=3), Drop()], RESPONSE
    )
    decisions = [
        (each.fault, each.kind, each.shadowed, each.struck, each.ordinal)
        for each in verdict.decisions
    ]
    assert decisions == [
        ("slow", "delay", False, StruckEntries(*TOPIC), 1),
        ("disconnect-2", "disconnect", False, StruckEntries(*TOPIC), 1),
        ("drop-3", "drop", True, StruckEntries(*TOPIC), 1),
    ]
    assert [(each.delay_s, each.how, each.after_bytes) for each in verdict.decisions] == [
        (0.01, None, None),
        (0, "fin", 3),
        (0, None, None),
    ]
    assert verdict.decisions[0].effects == (Effect.LATE,)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Disconnect(after_bytes=3), (None, "rst", None)),
        (Error(code="StorageError"), ("StorageError", None, None)),
        (Stall(), (None, None, None)),
    ],
)
def test_a_decision_lists_code_ending_and_bytes_at_the_request(
    fault: Fault, expected: tuple[str | None, str | None, int | None]
) -> None:
    [decision] = only([fault])[0].decisions
    assert (decision.code, decision.how, decision.after_bytes) == expected


# --- connections refused


def test_a_connection_is_refused_by_the_fault_on_its_server() -> None:
    rst, hang = Refuse(server="spu:1", how="rst"), Refuse(server="sc", how="hang")
    plan = FaultPlan([rst, hang], seed=7)
    assert plan.at_accept(0, 0.0) is None
    assert plan.at_accept(1, 0.0) is plan.faults[0]
    assert plan.at_accept(None, 0.0) is plan.faults[1]
    assert counts(plan) == {"refuse-1": (1, 0), "refuse-2": (1, 0)}


def test_the_first_refusal_shadows_the_next() -> None:
    plan = FaultPlan([Refuse(server="spu", how="rst"), Refuse(server="spu:0", how="hang")], seed=7)
    refused = plan.at_accept(0, 0.0)
    assert refused is not None
    assert refused.how == "rst"
    assert counts(plan) == {"refuse-1": (1, 0), "refuse-2": (0, 1)}


def test_a_refusal_has_a_window() -> None:
    plan = FaultPlan([Refuse(server="sc", how="rst", between=["1s", "2s"])], seed=7)
    assert [plan.at_accept(None, t) is not None for t in (0.5, 1.0, 1.5, 2.0)] == [
        False,
        True,
        True,
        False,
    ]


def test_a_refusal_with_ordinals_counts_the_connects_of_each_server() -> None:
    plan = FaultPlan([Refuse(server="spu", how="hang", nth=2)], seed=7)
    asked = [(spu, plan.at_accept(spu, 0.0) is not None) for spu in (0, 1, None, 0, 1, 0)]
    assert asked == [(0, False), (1, False), (None, False), (0, True), (1, True), (0, False)]
    assert counts(plan) == {"refuse-1": (2, 0)}


def test_connects_outside_the_window_of_a_refusal_count() -> None:
    plan = FaultPlan([Refuse(server="sc", how="rst", nth=2, between=["1s", "2s"])], seed=7)
    assert [plan.at_accept(None, t) is not None for t in (0.5, 1.0, 1.5)] == [False, True, False]


@pytest.mark.parametrize("how", [{}, {"how": "refuse"}])
def test_a_closed_listener_has_no_ordinals(how: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="a closed listener counts no connects"):
        Refuse.model_validate({"server": "sc", "nth": 1, **how})


def test_whether_a_closed_listener_refused_a_connect_is_known_if_its_dialler_tells() -> None:
    plan = FaultPlan([Refuse(server="sc")], seed=7)
    assert plan.at_accept(None, 0.0) is None
    [refuse] = plan.faults
    assert isinstance(refuse, Refuse)
    assert counts(plan) == {"refuse-1": (None, 0)}
    plan.expect_dials()
    assert counts(plan) == {"refuse-1": (0, 0)}
    plan.count_refused({refuse.name})
    plan.expect_dials()
    assert counts(plan) == {"refuse-1": (1, 0)}


def test_a_refusal_strikes_no_frame() -> None:
    assert not strikes(FaultPlan([Refuse(server="spu", how="rst")], seed=7), produce(TOPIC))


# --- healing and names


def test_a_plan_names_its_faults_and_counts_them_from_the_start() -> None:
    plan = FaultPlan([Drop(), Stall(name="x")], seed=7)
    assert [fault.name for fault in plan.faults] == ["drop-1", "x"]
    assert counts(plan) == {"drop-1": (0, 0), "x": (0, 0)}


def test_a_plan_refuses_two_faults_of_one_name() -> None:
    with pytest.raises(ValueError, match="are named 'drop-2'"):
        FaultPlan([Stall(name="drop-2"), Drop()], seed=7)
