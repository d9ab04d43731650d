"""Every scenario file gives the same histories on the fast loop as on trio, byte for byte."""

import random
from collections.abc import MutableSequence
from pathlib import Path
from typing import Any

import pytest

import chaos.world.world
from chaos.runner import run_scenario
from chaos.spec.property import Property
from chaos.spec.scenario import Scenario
from chaos.world.loop.running import run
from tests.scenario_files import DIRECTORY, loaded

SEEDS = range(20)
PROPERTIES = [
    prop for prop in map(loaded, sorted(DIRECTORY.glob("*.yaml"))) if "virtual" in prop.worlds
]


def scenario_of(prop: Property, seed: int) -> Scenario:
    """The scenario with another seed; of a property, the example that is drawn with the seed."""
    if prop.concrete:
        return prop.scenario().model_copy(update={"seed": seed})
    return prop.draw(random.Random(seed)).scenario


def differing(prop: Property) -> list[int]:
    """The seeds whose histories differ."""
    found = []
    for seed in SEEDS:
        scenario = scenario_of(prop, seed)
        if run_scenario(scenario).dumps() != run_scenario(scenario, loop="fast").dumps():
            found.append(seed)
    return found


@pytest.mark.parametrize("prop", PROPERTIES, ids=lambda prop: Path(prop.filename).stem)
def test_a_scenario_gives_the_same_histories_on_both_loops(prop: Property) -> None:
    assert differing(prop) == []


def test_the_comparison_sees_that_one_draw_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_one_draw_less(*args: Any, order: random.Random, **kwargs: Any) -> Any:
        return run(*args, order=OneDrawLess(order), **kwargs)

    monkeypatch.setattr(chaos.world.world, "run", with_one_draw_less)
    (prop,) = (prop for prop in PROPERTIES if "flaky-wifi" in prop.filename)
    assert len(differing(prop)) > 3


class OneDrawLess(random.Random):
    """Leaves the first tasks that it could shuffle in their order."""

    def __init__(self, order: random.Random) -> None:
        super().__init__()
        self.setstate(order.getstate())
        self._left_out = False

    def shuffle(self, x: MutableSequence[Any]) -> None:
        if self._left_out:
            super().shuffle(x)
        self._left_out |= len(x) > 1
