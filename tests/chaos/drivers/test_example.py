"""The worked example of the client protocol is a client like any other."""

import sys
from pathlib import Path
from typing import Any

import pytest

from chaos.drivers.program import open_program
from chaos.history import History
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario
from tests.chaos.drivers.programs import program
from tests.chaos.oracle.dropping import dropped

EXAMPLE = Path(__file__).parents[3] / "examples" / "client.py"


def ran(**data: Any) -> tuple[str, dict[str, int], list[str]]:
    """Verdict, figures and what was not applicable."""
    scenario = Scenario.model_validate({"name": "x", "worlds": ["tcp"], **data})
    history = run_scenario(scenario, "tcp", open_program([sys.executable, str(EXAMPLE)]))
    result = judge(history)
    assert (history.defect, history.crash, history.silent) == (None, None, None)
    figures = {name: n for name, n in Evidence(history).figures.items() if n}
    return result.verdict, figures, list(history.not_applicable)


def test_it_has_less_than_60_lines() -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 60


@pytest.mark.parametrize("workload", [["send", "flush"], [{"send_all": {}}, "flush"]])
def test_a_lost_answer_makes_a_duplicate_and_no_loss(workload: list[Any]) -> None:
    verdict, figures, _ = ran(
        producer={"attempt_timeout": "100ms"},
        faults=[{"drop": {"at": "response", "nth": 1}}],
        workload=workload,
    )
    assert (verdict, figures) == ("valid", {"sent": 1, "acknowledged": 1, "duplicated": 1})


SERVERS_SIDE = {
    "at-least-once": dropped(
        "checks.flush_settles:check",
        """
        if evidence.retries and call.outcome == "ok":
            _look_at_answers(evidence, call, found)
        """,
    ),
    "at-most-once": dropped(
        "checks.flush_settles:_look_at_open",
        "late = [n for n in late if not _had_left(evidence, n, ended)]",
        "late = []",
    ),
}
"""What looks at the SPU's answers, or at the frames that it read, after a flush."""


def broken(history: History) -> dict[str, Finding]:
    """The findings of the checks that found a broken promise, by check."""
    return {finding.check: finding for finding in judge(history).broken}


@pytest.mark.parametrize("semantic", SERVERS_SIDE)
def test_only_the_servers_side_shows_a_flush_that_does_nothing(
    tmp_path: Path, semantic: str
) -> None:
    script = EXAMPLE.read_text().replace("await getattr(producers[number], op)()", "pass")
    assert script != EXAMPLE.read_text()
    data = {
        "name": "x",
        "worlds": ["tcp"],
        "producer": {"linger": "2s", "delivery_semantic": semantic},
        "workload": [{"send": {"count": 2}}, "flush"],
    }
    driver = open_program(program(tmp_path, script))
    history = run_scenario(Scenario.model_validate(data), "tcp", driver)
    finding = broken(history)["flush-settles"]
    assert "records 0 and 1 were still" in finding.violations[0].text
    with SERVERS_SIDE[semantic].applied():
        assert "flush-settles" not in broken(history)


def test_a_lost_request_loses_a_record_of_at_most_once() -> None:
    verdict, figures, not_applicable = ran(
        producer={
            "delivery_semantic": "at-most-once",
            "response_timeout": "100ms",
            "compression": "gzip",
        },
        faults=[{"drop": {"at": "request", "nth": 1}}],
        workload=[{"send": {"wait": True}}],
    )
    assert (verdict, figures) == ("valid", {"sent": 1, "unknown": 1, "lost": 1})
    assert not_applicable == ["producer.compression: the client has 'none', not 'gzip'"]


def test_whether_a_closed_listener_refused_a_client_that_dials_by_itself_is_unknown() -> None:
    later = {"refuse": {"name": "later", "server": "spu", "between": ["60s", "61s"]}}
    scenario = Scenario.model_validate(
        {"name": "x", "worlds": ["tcp"], "faults": [later], "workload": ["send", "flush"]}
    )
    client = open_program([sys.executable, str(EXAMPLE)])
    result = judge(run_scenario(scenario, "tcp", client))
    assert (result.verdict, dict(result.fired)) == ("valid", {"later": None})
    own = judge(run_scenario(scenario, "tcp"))
    assert (own.reasons, dict(own.fired)) == (("fault later never struck",), {"later": 0})
