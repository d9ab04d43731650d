"""An effect that the checks do not model makes the records that it touched blind, and no others."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chaos.history import History
from chaos.oracle.blind_records import blind_records
from chaos.oracle.checks import CHECKS
from chaos.oracle.evidence import MODELLED, Evidence
from chaos.oracle.judge import judge
from simulator.events import Event, FaultHit
from simulator.faults.effects import Effect
from simulator.faults.model import FAULTS, Placed
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, played
from wire.batch import Record

ONE_BY_ONE = [{"send": {"count": 4, "wait": True}}, "wait"]
LATE = {"delay": {"at": "request", "nth": 2, "by": "1ms"}}
LATE_GREETING = {"delay": {"at": "request", "by": "1ms", "match": {"api": "api-versions"}}}


def with_effects(history: History, *effects: str) -> History:
    """Return the same run with other effects of its faults."""

    def changed(event: Any) -> Event:
        changed: Event = replace(event, effects=effects) if isinstance(event, FaultHit) else event
        return changed

    events = [changed(event) for event in history.events]
    return replace(history, events=events)


def without_copy(history: History, record_id: int) -> History:
    """Return the same run without one acknowledged record in its log."""
    value = history.records[record_id].value
    logs: dict[int, Sequence[Record]] = {
        p: [r for r in log if r.value != value] for p, log in history.logs.items()
    }
    return replace(history, logs=logs)


def accused(history: History) -> dict[str, int]:
    return {finding.check: finding.count for finding in judge(history).broken}


def blind(history: History) -> dict[str, int]:
    return {finding.check: finding.blind for finding in judge(history).findings if finding.blind}


@pytest.mark.parametrize("effect", [Effect.ALTERS_BYTES, "turns-blue"])
def test_records_that_an_unmodelled_effect_touched_are_not_judged(effect: str) -> None:
    history = with_effects(played(LATE, workload=ONE_BY_ONE), effect)
    lost = without_copy(history, 1)
    assert accused(lost) == {}
    assert blind(lost)["acked-is-stored"] >= 1
    assert 1 in blind_records(Evidence(lost))


@pytest.mark.parametrize("effect", [Effect.ALTERS_BYTES, "turns-blue"])
def test_records_that_no_unmodelled_effect_touched_are_judged(effect: str) -> None:
    history = with_effects(played(LATE, workload=ONE_BY_ONE), effect)
    assert accused(without_copy(history, 3)) == {"acked-is-stored": 1}


def test_a_modelled_effect_hides_nothing() -> None:
    history = played(LATE, workload=ONE_BY_ONE)
    assert blind(history) == {}
    assert accused(without_copy(history, 1)) == {"acked-is-stored": 1}


def test_an_unknown_effect_on_a_greeting_may_have_touched_everything() -> None:
    history = with_effects(
        played({"disconnect": {"nth": 1, "at": "request"}}, LATE_GREETING, workload=ONE_BY_ONE),
        "turns-blue",
    )
    assert set(blind_records(Evidence(history))) == {record.id for record in history.records}
    assert accused(without_copy(history, 3)) == {}


def test_a_check_with_blind_records_only_makes_a_run_inconclusive() -> None:
    late = {"delay": {"at": "request", "by": "1ms"}}
    history = with_effects(played(late, workload=["send", "wait"]), "turns-blue")
    result = judge(history)
    assert result.verdict == "inconclusive"
    assert ("no-loss judged none, blind for: unmodelled-effect 1") in result.reasons


@pytest.mark.parametrize("producer", [{}, {"producer": AT_MOST_ONCE}])
def test_known_effects_make_no_record_blind(producer: dict[str, Any]) -> None:
    history = played({"drop": {"probability": 0.3}}, {"stall": {"nth": 3}}, **producer)
    assert blind(history) == {}


@pytest.mark.parametrize("kind", [k for k in FAULTS.values() if issubclass(k, Placed)])
def test_each_effect_of_each_kind_is_known(kind: type[Placed]) -> None:
    fault = kind.made()
    for at in fault.cut_points:
        assert set(Effect).issuperset(fault.effects(at))


def test_every_check_has_its_blind_records_counted() -> None:
    history = with_effects(played(LATE, workload=ONE_BY_ONE), "turns-blue")
    semantic = history.scenario.producer.delivery_semantic
    applying = {name for name, check in CHECKS.items() if semantic in check.semantics}
    sees_through = {"bounded", "speaks", "flush-settles", "not-persisted-is-absent", "no-phantom"}
    sees_through |= {"connections", "recovers"}  # an effect gives a connection up, and disturbs
    sees_through.add("always")
    sees_through |= {"told-once", "read-what-is-stored"}  # nothing is read
    assert set(blind(history)) == applying - sees_through
    assert Effect.ALTERS_BYTES not in MODELLED


# --- a flipped bit


@pytest.mark.parametrize("seed", range(20))
def test_an_altered_batch_is_no_violation_and_only_its_records_are_blind(seed: int) -> None:
    history = played({"corrupt": {"at": "request", "nth": 2}}, workload=ONE_BY_ONE, seed=seed)
    assert judge(history).verdict == "valid"
    assert set(blind_records(Evidence(history))) == {1}
    assert accused(without_copy(history, 3)) == {"acked-is-stored": 1}


def test_a_record_that_takes_the_value_of_another_is_no_copy_of_it() -> None:
    workload = [{"send": {"count": 8, "size": 8, "wait": True}}]
    taken = 0
    for seed in range(20):
        fault = {"corrupt": {"at": "request"}}
        history = played(fault, workload=workload, seed=seed, producer=AT_MOST_ONCE)
        evidence = Evidence(history)
        assert accused(history) == {}
        known = evidence.record_ids.of_values([phantom.value for phantom in evidence.phantoms])
        taken += sum(record_id is not None for record_id in known)
    assert taken


def test_an_altered_key_is_no_violation() -> None:
    workload = [{"send": {"count": 8, "size": 8, "keys": 2, "key_size": 40, "wait": True}}]
    altered = 0
    for seed in range(5):
        history = played({"corrupt": {"at": "request"}}, workload=workload, seed=seed)
        assert accused(history) == {}
        altered += len(Evidence(history).other_keys)
    assert altered


@pytest.mark.parametrize("producer", [{}, {"producer": AT_MOST_ONCE}])
@pytest.mark.parametrize("seed", range(20))
def test_an_altered_answer_is_no_violation(producer: dict[str, Any], seed: int) -> None:
    history = played(
        {"corrupt": {"at": "response", "every": 2}}, workload=ONE_BY_ONE, seed=seed, **producer
    )
    result = judge(history)
    assert (result.verdict, result.broken) == ("valid", ())
    assert 1 in blind_records(Evidence(history))
    assert accused(without_copy(history, 0)) == {"acked-is-stored": 1}
