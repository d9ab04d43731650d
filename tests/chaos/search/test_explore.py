"""Exploring: the counterexamples of broken producers, their size, and no false accusation."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from itertools import count
from typing import Any

import pytest

from chaos.search.counterexample import Stage
from chaos.search.exploration import Exploration
from chaos.search.explore import BATCHES, DRAWN, ROUND, _Drawing, explore
from chaos.search.shard import Shard
from chaos.spec.loader import parse_scenario
from chaos.spec.property import Property
from producer.delivery.batch import Accepted
from producer.delivery.delivery import AtLeastOnce, Attempt, Done, RetryPause
from producer.delivery.semantics import DeliverySemantic, RetryPolicy

PROPERTY = """
name: everything open
worlds: [virtual]
cluster: {spus: 1..2}
topic: {partitions: 1..3}
producer:
  delivery_semantic: SEMANTIC
  retry:
    max_retries: 1..5
    initial_delay: 10ms..100ms
    max_delay: 1s
    timeout: 5s..10s
    strategy: {any: [fixed-delay, exponential-backoff]}
faults:
  - some:
    - drop: {probability: 0.05..0.5}
    - disconnect: {how: {any: [rst, fin]}, probability: 0.05..0.3}
    - delay: {by: {uniform: [0ms, 500ms]}, probability: 0.1..0.5}
  - error: {at: request, code: StorageError, nth: 1..2, match: {partition: 0}}
workload:
  - send: {count: 1..10, size: 8..200}
  - flush
  - send: {count: 1..3, wait: true}
"""


def everything(semantic: str) -> Property:
    return parse_scenario(PROPERTY.replace("SEMANTIC", semantic), "everything.yaml")


def found(semantic: str, **options: Any) -> Exploration:
    return explore(everything(semantic), **{"examples": 300, "seed": 1, **options})


SOME = 50
"""Examples of an exploration that finds nothing: two full batches, and a part of one."""


@cache
def honest(semantic: str) -> tuple[Exploration, list[Exploration]]:
    """The result of exploring the correct producer, and its progress reports; explored once."""
    outcome: list[Exploration] = []
    return found(
        semantic, examples=SOME, progress=lambda far: outcome.append(deepcopy(far))
    ), outcome


def firings(data: dict[str, Any]) -> int:
    """Return the number of exchanges that the faults of a smallest scenario strike."""
    count = 0
    for fault in data.get("faults", ()):
        (fields,) = fault.values()
        nth = fields["nth"]
        count += len(nth) if isinstance(nth, list) else 1
    return count


def records(data: dict[str, Any]) -> int:
    sends = [step for step in data["workload"] if isinstance(step, dict)]
    return sum(step["send"].get("count", 1) for step in sends if "send" in step)


@pytest.mark.parametrize("semantic", ["at-least-once", "at-most-once"])
def test_the_correct_producer_is_never_accused(semantic: str) -> None:
    explored, _ = honest(semantic)
    assert (explored.verdict, explored.reasons) == ("valid", [])
    assert explored.examples == SOME
    assert all(explored.fired.values())
    assert explored.by_firings[0] < 0.1 * explored.examples


def test_a_retry_under_at_most_once_is_shrunk_to_one_lost_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    again = RetryPolicy(max_retries=1, timeout=5)
    monkeypatch.setattr(DeliverySemantic, "at_most_once", lambda: DeliverySemantic(again))
    explored = found("at-most-once")
    assert explored.verdict == "invalid"
    assert explored.counterexample is not None
    assert "no-duplicates" in {f.check for f in explored.counterexample.result.broken}
    assert (firings(explored.counterexample.data), records(explored.counterexample.data)) == (1, 1)


def test_giving_up_one_attempt_early_is_shrunk_to_one_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = AtLeastOnce._retry

    def gives_up_early(self: AtLeastOnce, errors: Any) -> RetryPause | Done:
        self._attempts += 1
        try:
            return honest(self, errors)
        finally:
            self._attempts -= 1

    monkeypatch.setattr(AtLeastOnce, "_retry", gives_up_early)
    explored = found("at-least-once")
    assert explored.counterexample is not None
    assert {f.check for f in explored.counterexample.result.broken} & {"no-loss", "retry-policy"}
    assert records(explored.counterexample.data) == 1
    assert firings(explored.counterexample.data) == 1


def test_an_acknowledgement_without_an_answer_is_shrunk_to_one_lost_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lies(self: AtLeastOnce, error: BaseException, displaced: bool) -> Attempt | Done:
        for entry in tuple(self._unsettled):
            self._settle(entry, Accepted(0))
        return Done()

    monkeypatch.setattr(AtLeastOnce, "_failed", lies)
    explored = found("at-least-once")
    assert explored.counterexample is not None
    checks = {f.check for f in explored.counterexample.result.broken}
    assert checks & {"acked-is-stored", "offset-is-true"}
    assert (firings(explored.counterexample.data), records(explored.counterexample.data)) == (1, 1)


def test_a_defect_that_takes_two_faults_is_shrunk_to_two_on_one_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = AtLeastOnce._failed

    def believes_the_second(
        self: AtLeastOnce, error: BaseException, displaced: bool
    ) -> Attempt | RetryPause | Done:
        if self._attempts < 2:
            return honest(self, error, displaced)
        for entry in tuple(self._unsettled):
            self._settle(entry, Accepted(1_000))
        return Done()

    monkeypatch.setattr(AtLeastOnce, "_failed", believes_the_second)
    explored = found("at-least-once")
    assert explored.counterexample is not None
    checks = {f.check for f in explored.counterexample.result.broken}
    assert checks & {"acked-is-stored", "offset-is-true"}
    assert (firings(explored.counterexample.data), records(explored.counterexample.data)) == (2, 1)


def test_a_defect_that_any_fault_hides_is_found_by_the_run_without_floating_faults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = AtLeastOnce._answered

    def mixes_several(self: AtLeastOnce, results: Any) -> Any:
        return (no_offset if len(self._unsettled) > 1 else honest)(self, results)

    monkeypatch.setattr(AtLeastOnce, "_answered", mixes_several)
    text = """
name: refused
producer: {batch_size: 1, retry: {max_retries: 0}}
faults: [drop: {at: request}]
workload: [send: {count: 3..9}, flush]
"""
    explored = explore(parse_scenario(text, "refused.yaml"), examples=8)
    assert explored.counterexample is not None
    assert explored.examples == DRAWN + 1
    assert firings(explored.counterexample.data) == 0


def no_offset(self: AtLeastOnce, results: Any) -> Done:
    for entry in tuple(self._unsettled):
        self._settle(entry, Accepted(1_000))
    return Done()


def test_the_result_is_the_same_for_every_number_of_processes() -> None:
    one, _ = honest("at-least-once")
    assert found("at-least-once", examples=SOME, jobs=2) == one


def test_another_seed_draws_other_examples() -> None:
    _, (first, *_) = honest("at-least-once")
    other = found("at-least-once", examples=first.examples, seed=2)
    assert other.examples == first.examples
    assert other.figures != first.figures


@pytest.mark.parametrize("split", [ROUND, ROUND + 3, ROUND + DRAWN + 1, 2 * ROUND + DRAWN + 2])
def test_two_parts_of_an_exploration_find_what_the_whole_finds(split: int) -> None:
    whole, _ = honest("at-least-once")
    parts = found("at-least-once", examples=split)
    parts.merge(found("at-least-once", examples=SOME - split, after=split))
    assert parts == whole


@pytest.mark.parametrize("count", [2, 3, 5])
def test_shards_share_the_examples_of_the_whole(count: int) -> None:
    whole, _ = honest("at-least-once")
    parts: list[Exploration] = []
    for index in range(1, count + 1):
        shard = Shard(index, count)
        found("at-least-once", examples=SOME, shard=shard, keep=parts.append)
    together = Exploration(whole.name, whole.world)
    for part in sorted(parts, key=lambda each: each.first):
        together.merge(part)
    assert together == whole


def test_a_part_of_an_exploration_fails_with_the_example_of_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RetryPolicy, "delay", lambda self, retry: 0.0)
    whole = found("at-least-once")
    number = whole.examples - 1
    part = found("at-least-once", after=number, examples=1)
    assert (part.examples, part.failed) == (1, whole.failed)


def test_saved_counterexamples_are_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetryPolicy, "delay", lambda self, retry: 0.0)
    first = found("at-least-once")
    assert first.counterexample is not None
    again = found("at-least-once", saved=[first.counterexample.data])
    assert again.examples == 1
    assert again.counterexample is not None
    assert again.counterexample.data == first.counterexample.data


def honest_after(runs: int) -> Callable[[AtLeastOnce, Any], Any]:
    """A defect that disappears after a number of answers."""
    answers = count()
    honest = AtLeastOnce._answered
    return lambda self, results: (
        no_offset(self, results) if next(answers) < runs else honest(self, results)
    )


def test_an_example_that_does_not_fail_again_is_flaky_and_the_search_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(AtLeastOnce, "_answered", honest_after(1))
    batch = BATCHES["virtual"]
    explored = found("at-least-once", examples=2 * batch)
    assert explored.verdict == "inconclusive"
    assert "an example failed in some of its runs only (offset-is-true)" in explored.reasons
    assert explored.examples == 1 + batch  # the rest of the first batch is not run


def test_with_real_sockets_a_saved_counterexample_has_to_fail_three_times_of_three(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "name: plain\nworlds: [tcp]\nworkload: [send, {any: [flush, wait]}]"
    plain = parse_scenario(text, "plain.yaml")
    saved = {"name": "plain", "worlds": ["tcp"], "workload": ["send"]}
    answers_of_a_run = 2  # the record and the probe
    for runs, verdict in ((2, "valid"), (3, "invalid")):
        monkeypatch.setattr(AtLeastOnce, "_answered", honest_after(runs * answers_of_a_run))
        explored = explore(plain, examples=1, stage=Stage("tcp"), saved=[saved])
        assert (explored.examples, explored.verdict) == (1, verdict)
        monkeypatch.undo()


def test_a_scenario_with_its_seed_is_one_example() -> None:
    text = "name: one\nfaults: [drop: {nth: 1}]\nworkload: [send, flush]\nseed: 3"
    explored = explore(parse_scenario(text, "one.yaml"), examples=50)
    assert (explored.examples, explored.verdict) == (1, "valid")


def test_small_numbers_come_first() -> None:
    text = "name: many\nworkload: [send: {count: 1..160, size: 8..168}]"
    drawing = _Drawing(parse_scenario(text, "many.yaml"))
    drawn = [drawing.example(1, n).data["workload"][0]["send"] for n in range(ROUND * 10)]
    for n, most in enumerate((10, 20, 40, 80, 160)):
        assert 1 <= drawn[n]["count"] <= most
        assert 8 <= drawn[n]["size"] <= most + 8
    counts = [send["count"] for send in drawn]
    assert max(counts) > 120
    assert min(counts[DRAWN::ROUND]) <= 20  # the targeted ones


def test_generators_without_a_valid_combination_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chaos.spec.property.DRAWS_MAX", 3)
    text = "name: far\ncluster: {spus: 1..99}\nworkload: [move_leader: {to: 0..98}]\nseed: 0..9"
    drawing = _Drawing(parse_scenario(text, "far.yaml"))
    with pytest.raises(ValueError, match="3 examples drawn in a row were no scenarios"):
        list(map(drawing.example, range(100), range(100)))


def test_a_fault_that_never_fires_and_an_outcome_that_never_occurs_are_inconclusive() -> None:
    text = """
name: quiet
faults: [drop: {name: late, nth: 90}]
workload: [send: {count: 1..3}, flush]
always: {flush: {max: ..10ms}, recovery: ..1s}
sometimes: {duplicated: 1.., acknowledged: 1..}
"""
    explored = explore(parse_scenario(text, "quiet.yaml"), examples=20)
    assert explored.verdict == "inconclusive"
    assert explored.reasons == [
        "fault late fired in no example",
        "always: recovery ..1s was judged in no example",
        "sometimes: duplicated 1.. occurred in no example",
    ]


def test_an_optional_fault_need_fire_in_no_example_drawn_or_not() -> None:
    text = """
name: quiet
faults:
  - drop: {name: late, nth: 90, optional: true}
  - some: [drop: {name: later, nth: 95, optional: true}]
workload: [send: {count: 1..3}, flush]
"""
    assert explore(parse_scenario(text, "quiet.yaml"), examples=20).verdict == "valid"


def test_a_property_that_sends_nothing_is_inconclusive() -> None:
    explored = explore(
        parse_scenario("name: idle\nworkload: [sleep: 1ms..2ms]", "x.yaml"), examples=9
    )
    assert (explored.verdict, explored.reasons) == ("inconclusive", ["nothing was sent"])


DEMANDING = """
name: demanding
worlds: [virtual]
producer: {retry: {max_retries: 1, timeout: 1s}}
faults:
  - drop: {name: lost, at: response, probability: 0.3..0.9}
workload: [send: {count: 5..40, wait: true}, flush]
"""


def test_a_demand_that_is_exceeded_is_shrunk_and_stays_as_it_is() -> None:
    prop = parse_scenario(DEMANDING + "always: {duplicated: ..2, lost: 0..7}", "demanding.yaml")
    explored = explore(prop, examples=100)
    assert explored.verdict == "invalid"
    assert explored.counterexample is not None
    data = explored.counterexample.data
    assert data["always"] == {"duplicated": "..2"}
    assert (records(data), firings(data)) == (3, 3)
    assert [f.check for f in explored.counterexample.result.broken] == ["always"]


def test_a_demand_that_is_fallen_short_of_is_not_shrunk() -> None:
    prop = parse_scenario(DEMANDING + "always: {acknowledged: 40..}", "demanding.yaml")
    explored = explore(prop, examples=100)
    assert explored.counterexample is not None
    assert explored.counterexample.data == explored.failed


def test_a_time_limit_ends_an_exploration_at_the_end_of_a_batch() -> None:
    explored = found("at-least-once", examples=None, seconds=1e-9)
    assert (explored.examples, explored.verdict) == (0, "inconclusive")


def test_progress_reports_the_results_so_far() -> None:
    _, outcome = honest("at-most-once")
    assert [so_far.examples for so_far in outcome] == [16, 32, 48, 50]
