"""A correct producer goes through scenarios of all kinds, and no check says a word."""

import pytest

from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from tests.chaos.oracle.checks.drawing import draw_scenario

EACH = 10
"""Scenarios of one test: a second or less of work."""


@pytest.mark.parametrize("start", range(0, 4 * EACH, EACH))
def test_nobody_is_accused_whatever_is_drawn(start: int) -> None:
    for seed in range(start, start + EACH):
        history = run_scenario(draw_scenario(seed))
        assert history.defect is None
        assert [f.violations[0].text for f in judge(history, example=True).broken] == [], seed
