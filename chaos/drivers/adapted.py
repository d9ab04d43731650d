"""A scenario as a client can carry it out.

A client that cannot do something that a scenario says does something else, and it would be wrong to
judge it by words that it never heard. So it names what it cannot do and what it does instead; the
run goes on, and is judged, with that, and the result says so.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from chaos.drivers import Broken
from chaos.spec.scenario import ProducerOptions, RetryOptions, Scenario
from chaos.spec.step import STEPS
from simulator.documents.strict_model import shown


def adapted(scenario: Scenario, instead: Mapping[str, Any]) -> tuple[Scenario, list[str]]:
    """A scenario with what a client does in place of what it cannot do.

    Args:
        scenario: what the file says.
        instead: by option of the producer (or any other words), what the client does instead.

    Returns:
        The scenario, and a sentence for each thing that the scenario says and the client cannot do.

    Raises:
        Broken: the client names a value that such an option cannot have.
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
    """Whether a scenario has something that is no option."""
    if words in STEPS:
        return any(step.kind == words for step in scenario.workload)
    if words == "records without a key":
        return any(getattr(step, "keys", None) == 0 for step in scenario.workload)
    return True


def _text(value: object) -> str:
    if isinstance(value, RetryOptions):
        return (
            f"{value.strategy} with {value.max_retries} retries, {value.initial_delay:g} s to "
            f"{value.max_delay:g} s, {value.timeout:g} s in all"
        )
    return f"{value:g}" if isinstance(value, float) else shown(value)
