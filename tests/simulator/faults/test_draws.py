from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.faults.draws import Draws
from simulator.faults.kinds.delay import Delay
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.duplicate import Duplicate
from simulator.faults.kinds.stall import Stall
from simulator.faults.model import Fault, Match
from simulator.faults.plan import ORDINALS_MAX, TOPIC_CHARS_MAX, FaultPlan
from tests.simulator.exchanges import REQUEST, RESPONSE, TOPIC, other, produce, strikes, struck

# --- ordinals


def test_ordinals_count_for_each_partition_by_itself() -> None:
    plan = FaultPlan([Drop(nth=2)], seed=7)
    a, b, c = ("a", 0), ("a", 1), ("b", 0)
    assert struck(plan, map(produce, [a, b, c, a, b, c, a])) == [4, 5, 6]


def test_a_request_with_several_counts_for_the_first_that_matches() -> None:
    plan = FaultPlan([Drop(nth=2, match=Match(topic="b"))], seed=7)
    several = [("a", 0), ("b", 1), ("b", 0)]
    assert struck(plan, [produce(*several), produce(("b", 0)), produce(("b", 1))]) == [3]


def test_ordinals_count_for_each_fault_by_itself() -> None:
    plan = FaultPlan(
        [Drop(name="all", nth=3), Drop(name="b", nth=1, match=Match(client_id="b"))], seed=7
    )
    exchanges = [produce(TOPIC), produce(TOPIC, client_id="b"), produce(TOPIC)]
    assert struck(plan, exchanges) == [2, 3]


def test_the_answer_keeps_the_ordinal_of_its_request() -> None:
    plan = FaultPlan([Drop(at="request", nth=1), Drop(at="response", nth=2)], seed=7)
    first, second = produce(TOPIC), produce(TOPIC)
    assert strikes(plan, first), "the first request never reaches the server"
    assert not strikes(plan, second)
    assert plan.verdict(second, RESPONSE, 0.0) is not None


def test_answers_out_of_order_keep_their_ordinals() -> None:
    plan = FaultPlan([Drop(at="response", nth=1)], seed=7)
    first, second = produce(TOPIC), produce(TOPIC)
    plan.begin(first)
    plan.begin(second)
    assert plan.verdict(second, RESPONSE, 0.0) is None
    assert plan.verdict(first, RESPONSE, 0.0) is not None


def test_apis_without_partitions_count_for_each_connection() -> None:
    plan = FaultPlan([Drop(nth=2, match=Match(api="list"))], seed=7)
    connections = [1, 2, 1, 2, 1]
    assert struck(plan, [other(connection=c) for c in connections]) == [3, 4]


def test_empty_produces_count_for_each_connection() -> None:
    plan = FaultPlan([Drop(nth=2, empty=True)], seed=7)
    exchanges = [produce(connection=1), produce(TOPIC), produce(connection=2)]
    assert struck(plan, [*exchanges, produce(connection=1), produce(TOPIC)]) == [4, 5]


def test_a_closed_connection_is_forgotten() -> None:
    plan = FaultPlan([Drop(nth=2, match=Match(api="list"))], seed=7)
    assert struck(plan, [other()]) == []
    plan.forget(1)
    plan.forget(99)
    assert not plan._by_connection
    assert struck(plan, [other(), other()]) == [2]


def test_the_first_request_of_each_connection_has_a_fate_of_its_own() -> None:
    plan = FaultPlan([Drop(probability=0.5, at="request", match=Match(api="list"))], seed=7)
    fates = struck(plan, [other(connection=n) for n in range(1000)])
    assert 440 <= len(fates) <= 560


def test_past_its_bound_new_partitions_share_an_ordinal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.faults.plan.ORDINALS_MAX", 2)
    plan = FaultPlan([Drop(nth=2)], seed=7)
    names = ["a", "b", "c", "d", "e", "a", "b"]
    assert struck(plan, [produce((name, 0)) for name in names]) == [4, 6, 7]
    assert [len(armed.ordinals) for armed in plan._by_api["produce"]] == [3]
    assert ORDINALS_MAX >= 10_000


def test_topics_too_long_to_be_real_share_an_ordinal() -> None:
    plan = FaultPlan([Drop(nth=2)], seed=7)
    longest, too_long = "x" * TOPIC_CHARS_MAX, "x" * (TOPIC_CHARS_MAX + 1)
    topics = [longest, too_long, "y" + too_long, longest]
    assert struck(plan, [produce((topic, 0)) for topic in topics]) == [3, 4]
    [armed] = plan._by_api["produce"]
    assert all(len(topic) <= TOPIC_CHARS_MAX for topic, _ in armed.ordinals)


# --- draws

_STEPS = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([("a", 0), ("a", 1), ("b", 0)])), max_size=60
)


def _fates(
    plan: FaultPlan, steps: Iterable[tuple[int, tuple[str, int]]], fault: str
) -> dict[tuple[str, int], list[float | None]]:
    """For each partition, what one fault does to its exchanges, in order."""
    fates: dict[tuple[str, int], list[float | None]] = {}
    for connection, partition in steps:
        exchange = produce(partition, connection=connection)
        plan.begin(exchange)
        verdict = plan.verdict(exchange, REQUEST, 0.0)
        decisions = verdict.decisions if verdict else ()
        delays = [each.delay_s for each in decisions if each.fault == fault]
        fates.setdefault(partition, []).append(delays[0] if delays else None)
    return fates


_SUBJECT = Delay(name="subject", probability=0.5, by={"uniform": ["1ms", "900ms"]})


@given(_STEPS, st.randoms(use_true_random=False), st.integers())
def test_draws_do_not_depend_on_how_connections_interleave(
    steps: list[tuple[int, tuple[str, int]]], random: object, seed: int
) -> None:
    shuffled = list(steps)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert _fates(FaultPlan([_SUBJECT], seed), steps, "subject") == _fates(
        FaultPlan([_SUBJECT], seed), shuffled, "subject"
    )


_OTHER_FAULTS = st.lists(
    st.sampled_from(
        [Drop(probability=0.3), Duplicate(every=2), Stall(nth=1), Delay(by="5ms"), Drop(limit=1)]
    ),
    max_size=4,
)


@given(_STEPS, _OTHER_FAULTS, _OTHER_FAULTS, st.integers())
def test_draws_do_not_depend_on_other_faults(
    steps: list[tuple[int, tuple[str, int]]],
    before: list[Fault],
    after: list[Fault],
    seed: int,
) -> None:
    alone = _fates(FaultPlan([_SUBJECT], seed), steps, "subject")
    among = _fates(FaultPlan([*before, _SUBJECT, *after], seed), steps, "subject")
    assert alone == among


@given(
    st.lists(
        st.tuples(
            st.integers(),
            st.text(),
            st.sampled_from(["request", "response"]),
            st.text(),
            st.integers(0, 2**32),
            st.integers(1),
        ),
        min_size=2,
        max_size=2,
        unique=True,
    )
)
def test_different_subjects_have_different_draws(
    subjects: list[tuple[int, str, str, str, int, int]],
) -> None:
    first, second = (
        Draws(seed, name, at).of_partition(topic, partition, ordinal)
        for seed, name, at, topic, partition, ordinal in subjects
    )
    assert first != second


@pytest.mark.parametrize(
    ("first", "second"),
    [(("a1", 2, 3), ("a", 12, 3)), (("a", 1, 23), ("a", 12, 3)), (("1:a", 1, 1), ("a", 1, 1))],
)
def test_no_two_places_read_the_same(
    first: tuple[str, int, int], second: tuple[str, int, int]
) -> None:
    draws = Draws(7, "x", "request")
    assert draws.of_partition(*first) != draws.of_partition(*second)


def test_a_draw_is_the_same_in_every_process() -> None:
    assert Draws(7, "drop-1", "request").of_partition("greetings", 0, 1) == (
        0.7028091200823345,
        0.5607603627854465,
    )
    assert Draws(7, "drop-1", "request").of_connection(1, 1) == (
        0.25304909179123913,
        0.3697675812382568,
    )


@given(st.integers(), st.text(), st.integers(1))
def test_a_draw_is_at_least_0_and_below_1(seed: int, topic: str, ordinal: int) -> None:
    for draw in Draws(seed, "x", "request").of_partition(topic, 0, ordinal):
        assert 0 <= draw < 1


def test_a_topic_that_is_not_unicode_is_drawn_for_too() -> None:
    Draws(7, "x", "request").of_partition("\ud800", 0, 1)


def test_the_cut_points_draw_separately() -> None:
    plan = FaultPlan([Drop(probability=0.5)], seed=7)
    differing = 0
    for _ in range(1000):
        exchange = produce(TOPIC)
        plan.begin(exchange)
        at_request = plan.verdict(exchange, REQUEST, 0.0)
        at_response = plan.verdict(exchange, RESPONSE, 0.0)
        differing += (at_request is None) != (at_response is None)
    assert 440 <= differing <= 560


def test_every_answer_to_an_exchange_gets_the_same_verdict() -> None:
    plan = FaultPlan([Delay(by={"uniform": ["1ms", "1s"]})], seed=7)
    exchange = produce(TOPIC)
    plan.begin(exchange)
    assert plan.verdict(exchange, RESPONSE, 0.0) == plan.verdict(exchange, RESPONSE, 0.0)
