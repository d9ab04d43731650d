"""What exploring finds in broken producers, how small that gets, and that it finds nothing else."""

from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from chaos.explore import Exploration, explore
from chaos.loader import parse_scenario
from chaos.template import Template
from producer.delivery import AtLeastOnce, Attempt, Done, Pause
from producer.output import Accepted
from producer.semantics import DeliverySemantic, RetryPolicy

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
  - send: {count: 1..40, size: 8..200}
  - flush
  - send: {count: 1..10, wait: true}
"""


def everything(semantic: str) -> Template:
    return parse_scenario(PROPERTY.replace("SEMANTIC", semantic), "everything.yaml")


def found(semantic: str, **options: Any) -> Exploration:
    return explore(everything(semantic), **{"examples": 300, "seed": 1, **options})


SOME = 120
"""Examples of an exploration that finds nothing: two full batches, and a part of one."""


@cache
def honest(semantic: str) -> tuple[Exploration, list[Exploration]]:
    """What exploring the correct producer comes to, and what it told on the way; explored once."""
    told: list[Exploration] = []
    return found(semantic, examples=SOME, progress=lambda far: told.append(deepcopy(far))), told


def firings(data: dict[str, Any]) -> int:
    """How many exchanges the faults of a smallest scenario strike."""
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
    assert explored.by_firings[0] < 0.2 * explored.examples


def test_a_retry_under_at_most_once_is_shrunk_to_one_lost_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    again = RetryPolicy(max_retries=1, timeout=5)
    monkeypatch.setattr(DeliverySemantic, "at_most_once", lambda: DeliverySemantic(again))
    explored = found("at-most-once")
    assert explored.verdict == "invalid"
    assert explored.find is not None
    assert "no-duplicates" in {f.check for f in explored.find.result.broken}
    assert (firings(explored.find.data), records(explored.find.data)) == (1, 1)


def test_giving_up_one_attempt_early_is_shrunk_to_one_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    honest = AtLeastOnce._retry

    def gives_up_early(self: AtLeastOnce, errors: Any) -> Pause | Done:
        self._attempts += 1
        try:
            return honest(self, errors)
        finally:
            self._attempts -= 1

    monkeypatch.setattr(AtLeastOnce, "_retry", gives_up_early)
    explored = found("at-least-once")
    assert explored.find is not None
    assert {f.check for f in explored.find.result.broken} & {"no-loss", "retry-policy"}
    assert records(explored.find.data) == 1
    assert firings(explored.find.data) == 1


def test_an_acknowledgement_without_an_answer_is_shrunk_to_one_lost_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def lies(self: AtLeastOnce, error: BaseException, displaced: bool) -> Attempt | Done:
        for entry in tuple(self._unsettled):
            self._settle(entry, Accepted(0))
        return Done()

    monkeypatch.setattr(AtLeastOnce, "_failed", lies)
    explored = found("at-least-once")
    assert explored.find is not None
    assert {f.check for f in explored.find.result.broken} & {"acked-is-stored", "offset-is-true"}
    assert (firings(explored.find.data), records(explored.find.data)) == (1, 1)


def test_the_find_is_the_same_for_every_number_of_processes() -> None:
    one, _ = honest("at-least-once")
    assert found("at-least-once", examples=SOME, jobs=2) == one


def test_another_seed_draws_other_examples() -> None:
    _, (first, *_) = honest("at-least-once")
    other = found("at-least-once", examples=50, seed=2)
    assert other.examples == first.examples
    assert other.figures != first.figures


def test_saved_finds_are_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RetryPolicy, "delay", lambda self, retry: 0.0)
    first = found("at-least-once")
    assert first.find is not None
    again = found("at-least-once", saved=[first.find.data])
    assert again.examples == 1
    assert again.find is not None
    assert again.find.data == first.find.data


def test_a_fault_that_never_strikes_and_an_outcome_that_never_occurs_say_nothing() -> None:
    text = """
name: quiet
faults: [drop: {name: late, nth: 90}]
workload: [send: {count: 1..3}, flush]
expect: {duplicated: some, acknowledged: some}
"""
    explored = explore(parse_scenario(text, "quiet.yaml"), examples=20)
    assert explored.verdict == "inconclusive"
    assert explored.reasons == [
        "fault late struck in no example",
        "duplicated was in no example as expected",
    ]


def test_a_time_ends_an_exploration_at_the_end_of_a_batch() -> None:
    explored = found("at-least-once", examples=None, seconds=1e-9)
    assert (explored.examples, explored.verdict) == (0, "inconclusive")


def test_progress_tells_what_was_found_so_far() -> None:
    _, told = honest("at-most-once")
    assert [so_far.examples for so_far in told] == [50, 100, 120]
