"""``story.html``: one page that explains one record of a run.

From top to bottom: the cause in one sentence, the verdict and the promise; the space-time diagram
of the record, beside it that of the nearest passing run; the same in words; the attempts beside the
retry policy; the scenario and the command that repeats it; events.

The page depends on the history, the passing history and the result alone.
"""

from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import cast

from chaos.drivers.registry import PRODUCER
from chaos.history import VERSION, History
from chaos.oracle.checks import CHECKS
from chaos.oracle.evidence import Evidence
from chaos.oracle.judge import Result, judge
from chaos.report.html.diagram import Diagram, cells_of, diagram_of
from chaos.report.html.event_lines import event_lines
from chaos.report.html.marks import first_difference, marks_of
from chaos.report.html.page import rendered
from chaos.report.html.quantity import decimals_of
from chaos.report.html.sentence import sentences_of
from chaos.report.html.subject import Subject, subject_of
from chaos.report.html.timeline import Timeline, timeline_of
from chaos.report.narrative import Narrator
from chaos.report.phrases import key
from chaos.report.run_directory import HISTORY, PASSING, STORY, concrete
from chaos.search.counterexample import LEFT_OUT
from chaos.world.world import WorldName
from simulator.documents.emitter import to_yaml

ALIKE_MAX = 100
"""How many other records of the same kind are listed."""

NARRATIVE_MAX = 120
"""The most lines of a narrative on the page, those in the middle left out."""

YAML_CHARS_MAX = 12_000
"""The longest scenario that is shown in full."""

OTHERS_MAX = 20
"""How many other violations are listed."""

VALUE_BYTES_MAX = 64
"""How many bytes of the value are shown."""


def story_html(
    history: History, result: Result, passing: History | None = None, *, file: str = HISTORY
) -> str:
    """Return the page: the same history gives the same text.

    Args:
        history: the run.
        result: the verdict on it.
        passing: the nearest passing run, which ``chaos.search.counterexample`` finds.
        file: the name of the file with the history.
    """
    evidence = Evidence(history)
    narrator = Narrator(evidence)
    passing = passing if result.verdict == "invalid" else None
    subject = subject_of(evidence, result, narrator)
    scenario = (history.requested or history.scenario).to_data()
    world = cast("WorldName", history.world)
    text = to_yaml(concrete(scenario, world, history.scenario.seed))
    return rendered(
        "story.html",
        title=history.scenario.name,
        result=result,
        subject=subject,
        sentences=sentences_of(evidence, narrator, subject),
        promise=_promise(subject.check),
        others=_others(result, subject)[:OTHERS_MAX],
        alike=subject.alike[:ALIKE_MAX],
        alike_more=max(0, len(subject.alike) - ALIKE_MAX),
        record=_explained(
            evidence, narrator, subject.record, passing, failed=result.verdict != "valid"
        ),
        yaml=text[:YAML_CHARS_MAX],
        yaml_more=max(0, len(text) - YAML_CHARS_MAX),
        command=history.about.get("command", ""),
        facts=_facts(history),
        events=event_lines(evidence, narrator, subject.record, file),
    )


def picture_svg(history: History, record_id: int) -> str:
    """Return the space-time diagram of a record as a picture of its own.

    Args:
        history: the run.
        record_id: the id of the record.
    """
    evidence = Evidence(history)
    narrator = Narrator(evidence)
    marks = marks_of(evidence, narrator, record_id)
    cells = cells_of(evidence, narrator, record_id)
    title = f"{history.scenario.name}: record {record_id}"
    return rendered("picture.svg", d=diagram_of(marks, cells), title=title)


def _promise(check: str | None) -> str:
    """Return the promise of a check: the first paragraph of its definition, on one line."""
    if check is None:
        return ""
    return " ".join(CHECKS[check].text.partition("\n\n")[0].replace("``", "").split())


def _others(result: Result, subject: Subject) -> list[tuple[str, str]]:
    return [
        (finding.check, violation.text)
        for finding in result.broken
        for violation in finding.violations
        if violation is not subject.violation
    ]


@dataclass(frozen=True, slots=True)
class Explained:
    """What the page shows of the record."""

    id: int
    what: str
    """``record`` or ``probe``."""
    key: str
    size: int
    """The length of the value in bytes."""
    value: str
    """The first bytes of the value as text."""
    diagram: Diagram
    passing: Diagram | None
    passing_text: str
    """What the passing run is, or why there is none; empty if this run passes."""
    narrative: tuple[str, ...]
    passing_narrative: tuple[str, ...]
    timeline: Timeline | None
    probes: bool
    """Whether a probe is shown."""


def _explained(
    evidence: Evidence,
    narrator: Narrator,
    record_id: int | None,
    passing: History | None,
    *,
    failed: bool,
) -> Explained | None:
    if record_id is None:
        return None
    record = evidence.records[record_id]
    marks = marks_of(evidence, narrator, record_id)
    other, other_narrative, differs_at = None, tuple[str, ...](), None
    if passing is not None and record_id < len(passing.records):
        evidence_too = Evidence(passing)
        narrator_too = Narrator(evidence_too)
        marks_too = marks_of(evidence_too, narrator_too, record_id)
        differs_at = first_difference(marks, marks_too)
        cells = cells_of(evidence_too, narrator_too, record_id)
        other = diagram_of(marks_too, cells, differs_at)
        other_narrative = _narrative(narrator_too, record_id)
    this = diagram_of(marks, cells_of(evidence, narrator, record_id), differs_at)
    return Explained(
        record_id,
        "probe" if record.probe else "record",
        "" if record.key is None else key(record.key),
        len(record.value),
        record.value[:VALUE_BYTES_MAX].decode(errors="backslashreplace"),
        this,
        other,
        _passing_text(evidence.history, passing, other) if failed else "",
        _narrative(narrator, record_id),
        other_narrative,
        timeline_of(evidence, narrator, record_id),
        any(cell.text.startswith("probe ") for d in (this, other) if d for cell in d.cells),
    )


def _narrative(narrator: Narrator, record_id: int) -> tuple[str, ...]:
    decimals = decimals_of(line.t for line in narrator.timed(record_id))
    return narrator.of(record_id, decimals=decimals).shortened(NARRATIVE_MAX)


def _passing_text(history: History, passing: History | None, shown: Diagram | None) -> str:
    if shown is not None and passing is not None:
        return f"the same scenario without {passing.about.get(LEFT_OUT, 'a fault')}"
    if history.world != "virtual":
        return "no passing run is shown: runs over real sockets differ by themselves"
    if history.about.get("client", PRODUCER) != PRODUCER:
        return "no passing run is shown: the client runs in a process of its own"
    if not history.scenario.faults:
        return "no passing run is shown: the scenario has no fault that could be left out"
    return "no passing run is stored beside this history"


def _facts(history: History) -> list[tuple[str, str]]:
    about = history.about
    return [
        ("scenario file", about.get("file", "not known")),
        ("world", history.world),
        ("client", about.get("client", PRODUCER)),
        ("delivery semantic", history.scenario.producer.delivery_semantic),
        ("seed", str(history.scenario.seed)),
        ("spu-chaos", version("spu-chaos")),
        ("history format", str(VERSION)),
    ]


def write_story(
    path: Path, history: History, result: Result, passing: History | None = None
) -> None:
    """Write the page of a run.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_text(story_html(history, result, passing), encoding="utf-8")


def write_story_again(directory: Path) -> None:
    """Write the page of a kept run from its history.

    Raises:
        OSError: a file cannot be read or written.
        HistoryError: a history is damaged.
    """
    history = History.loads((directory / HISTORY).read_text(encoding="utf-8"))
    beside = directory / PASSING
    passing = History.loads(beside.read_text(encoding="utf-8")) if beside.exists() else None
    result = judge(history, example="example" in history.about)
    write_story(directory / STORY, history, result, passing)
