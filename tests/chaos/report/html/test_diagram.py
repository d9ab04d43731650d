"""Space-time diagrams: no text overlaps another or leaves the picture; columns are shared."""

import re
from itertools import combinations
from typing import Any

import pytest

from chaos.history import History
from chaos.oracle.evidence import Evidence
from chaos.report.html.diagram import CELL, CHAR, ROWS_MAX, Diagram, Label, cells_of, diagram_of
from chaos.report.html.marks import CALLER, CLIENT, LOG, LaneMark, first_difference, marks_of
from chaos.report.narrative import Narrator
from tests.chaos.report.html.pages import RETRY, played

HEIGHT = 11
"""The height of a text above its base line; nothing of it counts below."""


def drawn(history: History, record: int = 0, differs_at: int | None = None) -> Diagram:
    evidence = Evidence(history)
    narrator = Narrator(evidence)
    marks = marks_of(evidence, narrator, record)
    return diagram_of(marks, cells_of(evidence, narrator, record), differs_at)


def box(label: Label) -> tuple[float, float, float, float]:
    width = len(label.text) * CHAR * 0.94  # proportional letters are narrower than the room
    left = {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
    return label.x - left, label.y - HEIGHT + 2, label.x - left + width, label.y


def assert_readable(diagram: Diagram) -> None:
    labels = [*diagram.lanes, *diagram.texts]
    for label in labels:
        left, top, right, bottom = box(label)
        assert left >= 0, label
        assert right <= diagram.width, label
        assert top >= 0, label
        assert bottom <= diagram.height, label
    pills = [Label(pill.x, pill.y + 4, "#####", "middle") for pill in diagram.openings]
    for one, other in combinations([*labels, *pills], 2):
        a, b = box(one), box(other)
        apart = a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert apart, (one, other)
    for cell, another in combinations(diagram.cells, 2):
        assert abs(cell.x - another.x) >= CELL or cell.y != another.y
    assert all(cell.x + CELL <= diagram.width for cell in diagram.cells)


LONG = "a-fault-with-a-name-that-is-far-too-long-for-its-place"
FAULTS = [
    {"delay": {"name": LONG, "at": "response", "by": "3s", "nth": 1}},
    {"delay": {"name": LONG, "at": "request", "by": "3s", "nth": 1}},
    {"duplicate": {"name": LONG, "at": "request", "nth": 1}},
    {"duplicate": {"name": LONG, "at": "response", "nth": 1}},
    {"corrupt": {"name": LONG, "at": "request", "nth": 1}},
    {"stall": {"name": LONG, "at": "response", "nth": [1, 2, 3]}},
    {"disconnect": {"name": LONG, "at": "request", "how": "half-close", "nth": 1}},
    {"disconnect": {"name": LONG, "at": "response", "after_bytes": 9, "nth": 1}},
    {"error": {"name": LONG, "at": "request", "code": "PartitionShortCircuited", "nth": 1}},
    {"forge": {"name": LONG, "at": "response", "what": "missing-entry", "nth": 1}},
    {"refuse": {"name": LONG, "server": "spu", "how": "hang", "between": ["0s", "2s"]}},
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: next(iter(fault)))
@pytest.mark.parametrize("spus", [1, 3])
def test_no_text_overlaps_another_or_leaves_the_picture(fault: dict[str, Any], spus: int) -> None:
    history = played(
        {
            "cluster": {"spus": spus},
            "topic": {"partitions": spus},
            "faults": [fault],
            "producer": {"retry": RETRY},
            "workload": [{"send": {"count": 6}}, "flush"],
        }
    )
    for differs_at in (None, 2):
        for record in range(spus):
            assert_readable(drawn(history, record, differs_at))


def test_leaders_that_move_and_spus_that_stop_are_lines_across_all_lanes() -> None:
    history = played(
        {
            "cluster": {"spus": 3},
            "producer": {"retry": RETRY},
            "workload": [
                {"send": {"count": 2}},
                {"move_leader": {"partition": 0, "to": 2}},
                {"stop_spu": {"spu": 2}},
                {"sleep": "300ms"},
                {"start_spu": {"spu": 2}},
                "flush",
            ],
        }
    )
    diagram = drawn(history)
    assert_readable(diagram)
    assert {"spu:0", "spu:2"} <= {lane.text for lane in diagram.lanes}
    changes = [text.text for text in diagram.texts if text.style == "cluster"]
    assert changes == [
        "the leader of greetings/0 moved to spu:2",
        "spu:2 stopped",
        "spu:2 started",
        "spu:2 serves greetings/0 again",
    ]
    across = [line for line in diagram.lines if line.style == "cluster across"]
    assert [line.about for line in across] == changes
    lanes = [lane.x for lane in diagram.lanes]
    assert all(line.x1 < min(lanes) and line.x2 > max(lanes) for line in across)


def test_forty_connections_share_one_column_and_the_middle_is_left_out() -> None:
    retry = {**RETRY, "max_retries": 39, "strategy": "fixed-delay", "initial_delay": "100ms"}
    faults = [{"disconnect": {"at": "request"}}]
    diagram = drawn(played({"faults": faults, "producer": {"retry": retry}}))
    assert_readable(diagram)
    assert [lane.text for lane in diagram.lanes].count("connection") == 1
    assert len(diagram.lines) + len(diagram.points) <= ROWS_MAX
    assert any(re.fullmatch("[0-9]+ marks left out", text.text) for text in diagram.texts)
    assert diagram.openings[-1].text == "#41"


def test_connections_at_the_same_time_have_columns_of_their_own() -> None:
    names = [f"connection {n}" for n in (2, 3)]
    marks = [LaneMark(t, CLIENT, "spu:0", "", "", names[t % 2]) for t in range(4)]
    diagram = diagram_of(marks, [])
    assert [lane.text for lane in diagram.lanes].count("connection") == 2


def test_a_pause_is_a_break_with_its_length() -> None:
    marks = [LaneMark(t, CALLER, CLIENT, "", "") for t in (0.0, 0.001, 8.001)]
    assert [each.text for each in diagram_of(marks, []).breaks] == ["8 s"]


def test_times_have_a_decimal_more_where_rows_would_have_the_same() -> None:
    def times(*seconds: float) -> list[str]:
        marks = [LaneMark(t, CALLER, CLIENT, "", "") for t in seconds]
        return [text.text for text in diagram_of(marks, []).texts if text.style == "time"]

    assert times(0.001, 0.001, 8.2) == ["0.001", "0.001", "8.200"]
    assert times(0.001, 0.0013, 8.2) == ["0.0010", "0.0013", "8.2000"]


def test_a_frame_that_was_lost_ends_at_a_cross_on_its_connection() -> None:
    marks = [LaneMark(0.0, CLIENT, "spu:0", "request", "", "connection 2", True, "dropped")]
    (line,) = diagram_of(marks, []).lines
    (pill,) = diagram_of(marks, []).openings
    assert (line.head, line.style, line.x2) == ("cross", "fault", pill.x)


# --- the first difference


def kinds(*words: str) -> list[LaneMark]:
    return [LaneMark(0.0, CLIENT, LOG, "@0", "", kind=word) for word in words]


def test_the_first_difference_is_the_first_mark_of_another_kind() -> None:
    assert first_difference(kinds("a", "b", "c"), kinds("a", "x", "c")) == 1
    assert first_difference(kinds("a", "b"), kinds("a")) == 1
    assert first_difference(kinds("a"), kinds("a")) is None


def test_offsets_count_only_if_nothing_else_differs() -> None:
    other = LaneMark(0.0, CLIENT, LOG, "@7", "", kind="a")
    assert first_difference(kinds("a", "a"), [kinds("a")[0], other]) == 1
    assert first_difference(kinds("a", "b"), [other, *kinds("c")]) == 1


# --- the log


def test_the_cells_are_the_copies_and_their_neighbours() -> None:
    drop = {"drop": {"at": "response", "nth": 1}}
    data = {"faults": [drop], "workload": [{"send": {"count": 9}}, "flush"]}
    history = played(data)
    evidence = Evidence(history)
    cells = cells_of(evidence, Narrator(evidence), 1)
    assert [offset for offset, _, style in cells if style == "own"] == ["@1", "@10"]
    assert [text for _, text, style in cells if style == "title"] == ["0", "4 more"]


def test_an_absent_record_has_a_cell_of_its_own_behind_the_one_before_it() -> None:
    retry = {**RETRY, "max_retries": 0}
    data = {"faults": [{"drop": {"at": "request", "nth": 2}}], "producer": {"retry": retry}}
    history = played({**data, "workload": [{"send": {"count": 3, "wait": True}}]})
    evidence = Evidence(history)
    cells = cells_of(evidence, Narrator(evidence), 1)
    assert [text for _, text, _ in cells] == ["0", "record 0", "record 1", "record 2", "probe 3"]
    assert [style for _, _, style in cells].index("missing") == 2
