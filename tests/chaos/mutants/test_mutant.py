"""Mutants as patches: they are applied and removed without a trace, and no two overlap."""

import builtins
import dis
import inspect

import pytest

from chaos.mutants import GROUPS, MUTANTS, Mutant
from chaos.mutants.hunt import properties
from chaos.mutants.mutant import BOTH, _function
from chaos.oracle.checks import CHECKS
from producer.delivery.delivery import AtLeastOnce, AtMostOnce
from producer.delivery.semantics import RetryPolicy, RetryStrategy

CHECK_NAMES = set(CHECKS)


def test_there_are_at_least_forty_in_producer_simulator_and_recording() -> None:
    assert len(MUTANTS) >= 40
    assert all(any(m.__module__ == group.__name__ for m in MUTANTS.values()) for group in GROUPS)


def test_no_two_share_a_changed_line() -> None:
    changed: dict[tuple[str, int], str] = {}
    for name, mutant in MUTANTS.items():
        for line in mutant.lines():
            assert line not in changed, f"{name} and {changed[line]} change line {line}"
            changed[line] = name


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_each_is_small_and_says_what_is_wrong_and_which_checks_may_catch_it(
    mutant: type[Mutant],
) -> None:
    what, _, why = (inspect.getdoc(mutant) or "").partition("\n\n")
    assert what.endswith(".")
    assert why.endswith(".")
    assert set(mutant.caught_by) <= CHECK_NAMES
    assert 0 < len(mutant.semantics) <= len(BOTH)
    assert len(inspect.cleandoc(mutant.after).splitlines()) <= 8
    allowed = [c for c in CHECKS.values() if c.name in mutant.caught_by]
    for semantic in mutant.semantics:
        assert any(semantic in check.semantics for check in allowed)
        assert properties([semantic])


def test_a_patch_holds_for_every_reference_to_the_function_and_ends_with_the_block() -> None:
    retry, sound = AtLeastOnce._retry, AtLeastOnce._retry.__code__
    with MUTANTS["gives-up-early"].applied():
        assert retry.__code__ is not sound
        assert retry.__code__.co_firstlineno == sound.co_firstlineno
    assert retry.__code__ is sound


def test_a_patch_is_gone_even_if_the_block_fails() -> None:
    sound = AtLeastOnce._retry.__code__
    with pytest.raises(KeyError), MUTANTS["gives-up-early"].applied():
        raise KeyError
    assert AtLeastOnce._retry.__code__ is sound


def test_cached_results_are_computed_again() -> None:
    policy = RetryPolicy(initial_delay=1.0, strategy=RetryStrategy.FIBONACCI_BACKOFF)
    assert [*policy.delays()] == [1, 1, 2, 3]
    with MUTANTS["wrong-fibonacci-start"].applied():
        assert [*policy.delays()] == [1, 2, 3, 5]
    assert [*policy.delays()] == [1, 1, 2, 3]


class NotThere(Mutant):
    """Patches a line that does not exist."""

    where = "producer.net.metadata:Metadata.doubt"
    before = "self._doubted.clear()"
    after = "pass"
    caught_by = ()


class Twice(Mutant):
    """Patches a line that occurs twice."""

    where = "producer.delivery.delivery:AtMostOnce._failed"
    before = "return DONE"
    after = "return None"
    caught_by = ()


def test_lines_that_have_changed_are_reported_and_nothing_is_replaced() -> None:
    sound = AtMostOnce._failed.__code__
    with pytest.raises(LookupError, match="mutant not-there: its lines occur 0 times in"):
        NotThere.applied().__enter__()
    with pytest.raises(LookupError, match="mutant twice: its lines occur 2 times in"):
        Twice.applied().__enter__()
    assert AtMostOnce._failed.__code__ is sound


def test_names_are_those_of_the_classes() -> None:
    assert Twice.name() == "twice"
    assert MUTANTS["treats-a-final-code-as-retriable"].__name__ == "TreatsAFinalCodeAsRetriable"
    assert "not-there" not in MUTANTS


@pytest.mark.parametrize("name", MUTANTS)
def test_a_patch_uses_no_name_that_its_module_lacks(name: str) -> None:
    """A stale name would fail the run, and a run that fails shows no defect."""
    mutant = MUTANTS[name]
    function = _function(mutant.where)
    with mutant.applied():
        used = {i.argval for i in dis.get_instructions(function) if i.opname == "LOAD_GLOBAL"}
    assert used <= {*function.__globals__, *dir(builtins)}
