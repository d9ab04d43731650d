"""A scenario limited to what a client supports.

A client that cannot do what a scenario says does something else, and must not be judged by options
that it never received. The client therefore names what it cannot do and what it does instead. The
run continues and is judged with these values, and the result says so.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from chaos.drivers import Broken
from chaos.spec.record_form import NO_LINES
from chaos.spec.scenario import ProducerOptions, RetryOptions, Scenario
from chaos.spec.step import STEPS, every_step
from chaos.spec.steps.consume import Consume
from chaos.spec.steps.wait import Wait
from simulator.documents.strict_model import shown

UNCOMMITTED_ONLY = "isolation of consumers"
"""The name for consumers that cannot be told to read committed records only."""


def adapted(scenario: Scenario, instead: Mapping[str, Any]) -> tuple[Scenario, list[str]]:
    """Return a scenario with the options that the client has.

    Args:
        scenario: the scenario of the file.
        instead: by producer option (or other term), what the client does instead.

    Returns:
        The scenario, and a sentence for each part of the scenario that the client cannot do.

    Raises:
        Broken: the client names a value that is invalid for the option.
    """
    if not instead:
        return scenario, []
    options = {
        name: value for name, value in instead.items() if name in ProducerOptions.model_fields
    }
    try:
        replaced = ProducerOptions.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise Broken(f"the client says it has {where}: {first['msg']}") from error
    said = scenario.producer
    producer = said.model_copy(update={name: getattr(replaced, name) for name in options})
    sentences = [
        f"producer.{name}: the client has {_text(getattr(replaced, name))}, "
        f"not {_text(getattr(said, name))}"
        for name in options
        if name in said.model_fields_set and getattr(said, name) != getattr(replaced, name)
    ]
    sentences += [
        f"{words}: {does}"
        for words, does in instead.items()
        if words not in options and _is_said(scenario, words)
    ]
    return scenario.model_copy(update={"producer": producer}), sentences


def _is_said(scenario: Scenario, words: str) -> bool:
    """Return whether a scenario uses something that is no producer option."""
    steps = every_step(scenario.workload)
    if words == UNCOMMITTED_ONLY:
        return any(isinstance(s, Consume) and s.isolation == "read-committed" for s in steps)
    match words:
        case "wait":
            return any(step.kind == words or getattr(step, words, False) for step in steps)
        case "keys":
            return any(getattr(step, words, 0) for step in steps)
        case "values of any bytes":
            return any(getattr(step, "value", "") in NO_LINES for step in steps)
        case "producer options":
            return bool(scenario.producer.model_fields_set - {"delivery_semantic", "isolation"})
        case "records without a key":
            return any(getattr(step, "keys", None) == 0 for step in steps)
        case "cancel_after":
            return any(getattr(step, "cancel_after", None) is not None for step in steps)
        case "wait twice":
            return any(isinstance(step, Wait) and step.ids is not None for step in steps)
    return words not in STEPS or any(step.kind == words for step in steps)


def _text(value: object) -> str:
    if isinstance(value, RetryOptions):
        return (
            f"{value.strategy} with {value.max_retries} retries, {value.initial_delay:g} s to "
            f"{value.max_delay:g} s, {value.timeout:g} s in all"
        )
    return f"{value:g}" if isinstance(value, float) else shown(value)
