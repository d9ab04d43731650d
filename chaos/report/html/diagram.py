"""The geometry of a space-time diagram: lanes from left to right, time from top to bottom.

Time is not to scale: each mark has a row, and a pause between two rows is a short break with its
length. A connection has a lane of its own for as long as it concerns the record; connections that
follow each other share a column, so that a record with forty attempts needs no forty columns.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaos.oracle.evidence import Evidence
from chaos.report import phrases
from chaos.report.html.marks import CALLER, CLIENT, CLUSTER, LOG, LaneMark
from chaos.report.html.quantity import brief, decimals_of
from chaos.report.narrative import Narrator

AXIS, LANE, MARGIN = 60, 76, 10
"""The width of the time axis, the distance of two lanes, the space behind the last one."""

HEAD, ROW, GAP, OPENING, DIFFERENCE = 30, 30, 20, 20, 16
"""The heights of the lane names, of a row, of a break, of the name of a connection, and of the
words about the first difference."""

CHAR = 6.2
"""The width of a character of a label; labels are shortened to the space that they have."""

PAUSE_S = 0.005
"""The shortest time between two rows that is shown as a break, in seconds."""

ROWS_MAX = 28
"""The most rows: a record with forty attempts has more. Those in the middle are left out."""

ROWS_LAST = 10
"""The number of last rows that a shortened diagram keeps."""

CELL, CELL_HEIGHT, CELLS_MAX = 62, 34, 18
"""The size of a cell of the log, and the most cells."""

PARTITIONS_MAX = 3
"""The most partitions of which cells are shown: a record that was never sent could be in any."""

AROUND = 2
"""How many neighbours of a copy are shown on either side."""


@dataclass(frozen=True, slots=True)
class Label:
    """A label and its place."""

    x: float
    y: float
    text: str
    anchor: str = "start"
    style: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A line, with a head or a cross at its end."""

    x1: float
    y1: float
    x2: float
    y2: float
    style: str
    head: str = ""
    """``arrow``, ``cross``, or empty."""
    about: str = ""
    """The sentence that is shown for the line."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the log."""

    x: float
    y: float
    offset: str
    text: str
    style: str


@dataclass(frozen=True, slots=True)
class Diagram:
    """A space-time diagram, ready for the template."""

    width: int
    height: int
    lanes: tuple[Label, ...]
    lifelines: tuple[Line, ...]
    openings: tuple[Label, ...]
    breaks: tuple[Label, ...]
    bands: tuple[tuple[float, float], ...]
    """The top and the height of the row with the first difference."""
    lines: tuple[Line, ...]
    points: tuple[Line, ...]
    texts: tuple[Label, ...]
    cells: tuple[Cell, ...]


def diagram_of(
    marks: Sequence[LaneMark],
    cells: Sequence[tuple[str, str, str]],
    differs_at: int | None = None,
) -> Diagram:
    """Return the diagram of the marks of one record.

    Args:
        marks: the arrows and points, in order.
        cells: offset, text and style of the cells of the log.
        differs_at: the index of the first mark that another run does not have.
    """
    return _DiagramLayout(marks, differs_at).diagram(cells)


def _columns(marks: Sequence[LaneMark]) -> dict[str, int]:
    """Return the column of each lane; connections after each other share one."""
    spans: dict[str, list[int]] = {}
    servers = set()
    for row, mark in enumerate(marks):
        for lane in (mark.start, mark.end, mark.through):
            if lane is not None and lane.startswith("connection"):
                spans.setdefault(lane, [row, row])[1] = row
            elif lane is not None and lane not in (CALLER, CLIENT, LOG, CLUSTER):
                servers.add(lane)
    columns = {CALLER: 0, CLIENT: 1}
    free_after: list[int] = []
    for lane, (first, last) in spans.items():
        slot = next((n for n, end in enumerate(free_after) if end < first), len(free_after))
        free_after[slot : slot + 1] = [last]
        columns[lane] = 2 + slot
    behind = 2 + max(1, len(free_after))
    for n, server in enumerate(sorted(servers) or ["spu:0"]):
        columns[server] = behind + n
    columns[LOG] = behind + max(1, len(servers))
    return columns


class _DiagramLayout:
    """Places the marks of one diagram, row by row."""

    def __init__(self, marks: Sequence[LaneMark], differs_at: int | None) -> None:
        self._columns = _columns(marks)
        self._rows = list(_shortened(marks, differs_at))
        self._decimals = decimals_of(mark.t for _, mark in self._rows if mark is not None)
        self._differs_at = differs_at
        self._last = max(self._columns.values())
        self._y: float = HEAD
        self._openings: list[Label] = []
        self._breaks: list[Label] = []
        self._bands: list[tuple[float, float]] = []
        self._lines: list[Line] = []
        self._points: list[Line] = []
        self._texts: list[Label] = []
        self._spans: dict[str, list[float]] = {}

    def diagram(self, cells: Sequence[tuple[str, str, str]]) -> Diagram:
        before: float | None = None
        for number, mark in self._rows:
            if mark is None:
                self._texts.append(
                    Label(AXIS + 8, self._y + 14, f"{number} marks left out", style="gap")
                )
                self._break("…")
                before = None
                continue
            if before is not None and mark.t - before >= PAUSE_S:
                self._break(brief(mark.t - before))
            before = mark.t
            self._row(number, mark)
        end = self._y + 6
        placed = list(self._cells(cells, end + 24))
        bottom = max([end, *(cell.y + CELL_HEIGHT for cell in placed)])
        return Diagram(
            self._x(self._last) + LANE // 2 + MARGIN,
            round(bottom) + MARGIN,
            tuple(self._names()),
            tuple(self._lifelines(end)),
            tuple(self._openings),
            tuple(self._breaks),
            tuple(self._bands),
            tuple(self._lines),
            tuple(self._points),
            tuple(self._texts),
            tuple(placed),
        )

    def _x(self, column: int) -> int:
        return AXIS + LANE // 2 + column * LANE

    def _of(self, lane: str) -> int:
        return self._x(self._columns[lane])

    def _names(self) -> Iterator[Label]:
        slots = sorted({c for lane, c in self._columns.items() if lane.startswith("connection")})
        for column in slots or [2]:
            yield Label(self._x(column), 16, "connection", "middle")
        for lane, column in self._columns.items():
            if not lane.startswith("connection"):
                yield Label(self._x(column), 16, lane, "middle")

    def _lifelines(self, end: float) -> Iterator[Line]:
        for lane in self._columns:
            if not lane.startswith("connection"):
                yield Line(self._of(lane), HEAD - 6, self._of(lane), end, "life")
        for lane, (top, bottom) in self._spans.items():
            yield Line(self._of(lane), top, self._of(lane), bottom, "open")

    def _break(self, text: str) -> None:
        self._breaks.append(Label(AXIS, self._y + GAP / 2, text))
        self._y += GAP

    def _row(self, number: int, mark: LaneMark) -> None:
        top = self._y
        if number == self._differs_at:
            right = self._x(self._last) + LANE / 2
            self._texts.append(Label(right, self._y + 11, "first difference", "end", "differs"))
            self._y += DIFFERENCE
        for lane in (mark.start, mark.end, mark.through):
            if lane is not None and lane.startswith("connection"):
                if lane not in self._spans:
                    name = f"#{lane.removeprefix('connection ')}"
                    self._openings.append(
                        Label(self._of(lane), self._y + OPENING / 2, name, "middle")
                    )
                    self._y += OPENING
                    self._spans[lane] = [self._y - 4, self._y]
                self._spans[lane][1] = self._y + ROW - 6
        time = f"{mark.t:.{self._decimals}f}"
        self._texts.append(Label(AXIS - 6, self._y + 20, time, "end", "time"))
        if mark.start == CLUSTER:
            self._across(mark)
        elif mark.start == mark.end:
            self._point(mark)
        else:
            self._arrow(mark)
        self._y += ROW
        if number == self._differs_at:
            self._bands.append((top, self._y - top))

    def _across(self, mark: LaneMark) -> None:
        """Draw a change of the cluster: a line across all lanes, with its label above."""
        right, y = self._x(self._last) + LANE // 2, self._y + 23
        style = "fault" if mark.fault else "cluster"
        self._lines.append(Line(AXIS, y, right, y, f"{style} across", about=mark.text))
        text = _fit(mark.label, right - AXIS - 8)
        self._texts.append(Label(AXIS + 8, y - 5, text, "start", style))

    def _point(self, mark: LaneMark) -> None:
        x, y = self._of(mark.start), self._y + 17
        style = "fault" if mark.fault else "point"
        self._points.append(Line(x, y, x, y, style, "point", mark.text))
        text = mark.fault or mark.label
        right = self._x(self._last) + LANE / 2 - x - 10
        left = x - AXIS - 10
        if len(text) * CHAR <= right or right >= left:
            self._texts.append(Label(x + 9, y + 4, _fit(text, right), "start", style))
        else:
            self._texts.append(Label(x - 9, y + 4, _fit(text, left), "end", style))

    def _arrow(self, mark: LaneMark) -> None:
        x1, x2 = self._of(mark.start), self._of(mark.end)
        y1, y2 = self._y + 16, self._y + 24
        edge = self._x(self._last) + LANE / 2
        away = x1 < x2
        style = "fault" if mark.fault else "arrow"
        label_x = min(x1, x2) + 7
        room = edge - label_x
        if mark.fault and mark.through is not None:
            # The arrow ends or is marked at its connection, and the fault is named behind it.
            at = self._of(mark.through)
            y_at = y1 + (y2 - y1) * abs(at - x1) / abs(x2 - x1)
            if mark.cut:
                x2, y2 = at, round(y_at)
            else:
                self._points.append(Line(at, y_at, at, y_at, "fault", "point", mark.text))
            y_at += 4 if mark.cut else -6
            behind = edge - at - 11 if away else at - AXIS - 11
            side, anchor = (at + 11, "start") if away else (at - 11, "end")
            self._texts.append(Label(side, y_at, _fit(mark.fault, behind), anchor, "fault"))
            label_x, room = (label_x, at - x1 - 14) if away else (at + 9, x1 - at - 14)
        elif mark.fault:
            text = _fit(mark.fault, x1 - AXIS - 11)
            self._texts.append(Label(x1 - 9, y1 + 4, text, "end", "fault"))
        head = "cross" if mark.cut else "arrow"
        self._lines.append(Line(x1, y1, x2, y2, style, head, mark.text))
        label = _fit(mark.label, max(room, LANE - 14))
        self._texts.append(Label(label_x, y1 - (4 if away else 3), label))

    def _cells(self, cells: Sequence[tuple[str, str, str]], top: float) -> Iterator[Cell]:
        width = self._x(self._last) + LANE // 2
        in_line = max(1, width // (CELL + 4))
        for n, (offset, text, style) in enumerate(cells[:CELLS_MAX]):
            x = MARGIN + n % in_line * (CELL + 4)
            y = top + n // in_line * (CELL_HEIGHT + 6)
            yield Cell(x, y, _fit(offset, CELL - 4), _fit(text, CELL - 4), style)


def _shortened(
    marks: Sequence[LaneMark], differs_at: int | None
) -> Iterator[tuple[int, LaneMark | None]]:
    """Yield marks with their indices; for those left out, their number and None."""
    if len(marks) <= ROWS_MAX:
        yield from enumerate(marks)
        return
    first = ROWS_MAX - ROWS_LAST
    kept = {*range(first), *range(len(marks) - ROWS_LAST, len(marks))}
    if differs_at is not None:
        kept |= {*range(max(0, differs_at - 2), min(len(marks), differs_at + 3))}
    left_out = 0
    for n, mark in enumerate(marks):
        if n not in kept:
            left_out += 1
            continue
        if left_out:
            yield left_out, None
            left_out = 0
        yield n, mark


def _fit(text: str, room: float) -> str:
    """Return a text, shortened to the room that it has."""
    most = max(3, int(room / CHAR))
    return text if len(text) <= most else text[: most - 1] + "…"


def cells_of(evidence: Evidence, narrator: Narrator, record_id: int) -> list[tuple[str, str, str]]:
    """Return the cells of the final log around a record: offset, text, style.

    A record without a copy has a cell of its own behind the one before it.
    """
    record = evidence.records[record_id]
    found: list[tuple[str, str, str]] = []
    for partition in sorted(narrator.partitions(record))[:PARTITIONS_MAX]:
        found += _cells_of_partition(evidence, record_id, partition)
    return found


def _cells_of_partition(
    evidence: Evidence, record_id: int, partition: int
) -> Iterator[tuple[str, str, str]]:
    last = len(evidence.history.removed)
    log = evidence.history.logs.get(partition, ())
    places: Mapping[int, int] = {stored.offset: n for n, stored in enumerate(log)}
    own = [
        places[copy.offset]
        for copy in evidence.copies[record_id]
        if copy.partition == partition and copy.incarnation == last and copy.offset in places
    ]
    absent = not evidence.copies[record_id]
    centres = own or [_place_before(evidence, record_id, partition, places)]
    shown = sorted(
        {n for c in centres for n in range(c - AROUND, c + AROUND + 1) if 0 <= n < len(log)}
    )
    ids = evidence.record_ids.of_values([log[n].value for n in shown])
    missing = "missing", phrases.named(evidence.records[record_id]), "missing"
    yield "partition", str(partition), "title"
    if absent and (not shown or centres[0] < 0):
        yield missing
    before = None
    for n, stored in zip(shown, ids, strict=True):
        if before is not None and n != before + 1:
            yield "…", f"{n - before - 1} more", "title"
        before = n
        text = "?" if stored is None else phrases.named(evidence.records[stored])
        yield f"@{log[n].offset}", text, "own" if n in own else "other"
        if absent and n == centres[0]:
            yield missing


def _place_before(
    evidence: Evidence, record_id: int, partition: int, places: Mapping[int, int]
) -> int:
    """Return the place in the log behind which an absent record would be; -1 for the start."""
    for other in range(record_id - 1, -1, -1):
        for copy in evidence.copies[other]:
            if copy.partition == partition and copy.offset in places:
                return places[copy.offset]
    return -1
