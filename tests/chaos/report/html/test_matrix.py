"""The matrix of a certificate: what its cells count, and which verdict they have."""

from pathlib import Path
from typing import Any

from chaos.oracle.judge import Verdict
from chaos.report.html.index import index_html
from chaos.report.html.matrix import POINTS_MAX, matrix_of
from chaos.report.scenario_report import ScenarioReport
from chaos.search.alphabet import load_alphabet
from chaos.search.certify import Certificate, CertificateBound, Row
from chaos.search.counterexample import VIRTUAL
from chaos.spec.loader import parse_scenario
from tests.chaos.report.html.pages import assert_sound

DROP = {"drop": {"at": "request", "nth": 1, "match": {"partition": 0}}}
LATER = {"drop": {"at": "response", "nth": 2, "match": {"partition": 0}}}
CODE = {"error": {"code": "<b>", "at": "request", "nth": 1, "match": {"partition": 0}}}
STEP = {"before": 1, "steps": [{"stop_spu": {"spu": 1}}, {"sleep": "1ms"}, "cut"]}
"""A step with fields, one with a value, and one with nothing."""


def row(verdict: Verdict, *placement: dict[str, Any]) -> Row:
    return Row(0, placement, verdict, (), (), len(placement), (), (), {}, {}, None)


def certificate(*rows: Row) -> Certificate:
    prop = parse_scenario("name: one <record>\nworkload: [send, wait]\n", "one.yaml")
    return Certificate(prop, CertificateBound(load_alphabet("small"), 2), VIRTUAL, list(rows))


DONE = certificate(
    row("valid"),
    row("valid", DROP),
    row("invalid", DROP, LATER),
    row("inconclusive", DROP, CODE),
    row("valid", STEP),
)


def test_a_cell_counts_the_placements_that_hold_it_and_has_the_worst_verdict() -> None:
    matrix = matrix_of(DONE)
    assert matrix.letters == ("drop", "error <b>", "stop_spu 1, sleep 1ms, cut")
    points = [point for point, _ in matrix.rows]
    assert points == ["request 1 partition 0", "response 2 partition 0", "before step 2"]
    found = [
        [None if c is None else (c.placements, c.worst, c.grave) for c in cells]
        for _, cells in matrix.rows
    ]
    assert found == [
        [(3, "invalid", 1), (1, "inconclusive", 1), None],
        [(1, "invalid", 1), None, None],
        [None, None, (1, "valid", 0)],
    ]


def test_failing_cells_link_to_the_page_of_the_counterexample(tmp_path: Path) -> None:
    (tmp_path / "one-virtual").mkdir()
    (tmp_path / "one-virtual/story.html").touch()
    report = ScenarioReport(
        name="one <record>",
        file="one.yaml",
        world="virtual",
        seed=0,
        verdict="invalid",
        directory=str(tmp_path / "one-virtual"),
    )
    text = index_html([report], [], [], 1, tmp_path, [(report, DONE)])
    page = assert_sound(text)
    failing = page.all("td", "invalid")
    assert [cell.text for cell in failing if "of" in cell.text] == [
        "1 of 3 invalid",
        "1 of 1 invalid",
    ]
    links = [a.attributes["href"] for a in page.all("a")]
    assert links.count("one-virtual/story.html") == 4  # the heading, the table, two cells
    assert "ways to place one letter" in page.one("main").text


def test_the_points_of_a_large_matrix_are_counted() -> None:
    letters = [{"drop": {"at": "request", "nth": n}} for n in range(1, POINTS_MAX + 8)]
    matrix = matrix_of(certificate(row("valid"), *(row("valid", each) for each in letters)))
    assert (len(matrix.rows), matrix.left_out) == (POINTS_MAX, 7)
