"""In scenarios of all kinds no check accuses a correct producer."""

import pytest

from chaos.oracle.checks import CHECKS
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from tests.chaos.oracle.checks.drawing import draw_scenario

EACH = 10
"""Scenarios for each test, for at most a second of work."""


@pytest.mark.parametrize("start", range(0, 4 * EACH, EACH))
def test_no_drawn_scenario_gives_a_violation(start: int) -> None:
    for seed in range(start, start + EACH):
        history = run_scenario(draw_scenario(seed))
        assert history.defect is None
        result = judge(history, example=True)
        assert [f.violations[0].text for f in result.broken] == [], seed
        for finding in result.findings:
            check = CHECKS[finding.check]
            assert set(check.excuses) >= finding.excused.keys()
            assert set(check.causes) >= finding.unseen.keys()
