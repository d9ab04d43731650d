"""The result of one scenario in one world, as plain data.

A run takes place in a worker process, and its history, which may take a gigabyte, stays there. The
report that the worker returns therefore includes the narratives of a few records.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from chaos.oracle.checks import Finding
from chaos.oracle.judge import FIGURES, Verdict
from chaos.report.narrative import Narrative
from chaos.world.world import WorldName

STATUS_VALID = 0
STATUS_INVALID = 1
STATUS_NO_VERDICT = 2
STATUS_INTERRUPTED = 130
"""The exit statuses; 130 is the status that shells report for a command that SIGINT ended."""

_STATUS: Mapping[Verdict, int] = {
    "valid": STATUS_VALID,
    "invalid": STATUS_INVALID,
    "inconclusive": STATUS_NO_VERDICT,
}


@dataclass(frozen=True, slots=True)
class BadFile:
    """A file that cannot be run."""

    file: str
    lines: tuple[str, ...]
    """Its mistakes, one line each, with the places."""


@dataclass(frozen=True, slots=True)
class SkippedFile:
    """A file that runs in none of the worlds that were asked for."""

    file: str
    name: str
    """The name of the scenario."""
    reason: str
    """One line for a person, which begins with the path."""


@dataclass(frozen=True, slots=True)
class FailedExample:
    """The example of a property that failed, and its smallest form. Sizes are numbers of records
    and of faults."""

    number: int | None
    """Its number; None for a counterexample that was kept earlier and failed again."""
    drawn: tuple[int, int]
    """Its size as it was drawn."""
    smallest: tuple[int, int]
    """The size of the smallest scenario that fails in the same way."""


@dataclass(slots=True)
class ScenarioReport:
    """The result of one scenario or of one property in one world."""

    name: str
    file: str
    """The path of the scenario file."""
    world: WorldName
    seed: int
    """The random seed; for a property, the seed of all examples."""
    client: str = "producer"
    """The name of the driver."""
    verdict: Verdict = "inconclusive"
    reasons: Sequence[str] = ()
    """The reasons for an inconclusive verdict."""
    findings: Sequence[Finding] = ()
    """The findings of each check; for a property, in the smallest failing example."""
    figures: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(FIGURES, 0))
    """By outcome, the number of records; for a property, in all examples."""
    fired: Mapping[str, int | None] = field(default_factory=dict)
    """By fault, the number of its firings, None if it is not known; for a property, in all
    examples."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """By fault, its kind."""
    examples: int | None = None
    """The number of examples of a property; None for a concrete scenario."""
    first: int = 0
    """The number of the first example of a property."""
    known: Mapping[str, int] = field(default_factory=dict)
    """By known defect, the number of examples in which it explains a broken promise."""
    firings: Mapping[int, int] | None = None
    """By number of firings, the number of examples of a property; None for a concrete scenario."""
    failed: FailedExample | None = None
    """The example of a property that failed; None if none did, or for a concrete scenario."""
    narratives: Sequence[Narrative] = ()
    """The narratives of the records of the first broken promises."""
    not_applicable: Sequence[str] = ()
    """The parts of the scenario that the client does not support, and the substitute for each."""
    notes: Sequence[str] = ()
    """Other remarks on this run."""
    directory: str | None = None
    """The run directory; None if the run is not kept."""
    command: str = ""
    """The command that repeats the run."""
    seconds: float = 0.0
    """The duration in seconds of real time."""

    @property
    def broken(self) -> Sequence[Finding]:
        """The findings of broken promises."""
        return [finding for finding in self.findings if finding.count]

    @property
    def kept_run(self) -> bool:
        """Whether its run directory has a run, and not only the result of many."""
        return self.directory is not None and (self.examples is None or self.failed is not None)

    @property
    def without_evidence(self) -> Mapping[str, str]:
        """By what the run lacks, the checks that are not applicable for that reason."""
        found: dict[str, list[str]] = {}
        for finding in self.findings:
            if finding.not_applicable is not None:
                found.setdefault(finding.not_applicable, []).append(finding.check)
        return {reason: ", ".join(checks) for reason, checks in found.items()}

    @property
    def title(self) -> str:
        """The name, the world and, if it is not our own producer, the driver."""
        client = "" if self.client == "producer" else f", {self.client}"
        return f"{self.name} [{self.world}{client}]"

    def to_data(self) -> dict[str, Any]:
        """Return the result in the form of ``result.json``.

        It is independent of machine and time, so that in the virtual world the same run gives the
        same file.
        """
        return {
            "verdict": self.verdict,
            "reasons": list(self.reasons),
            "name": self.name,
            "file": self.file,
            "world": self.world,
            "client": self.client,
            "seed": self.seed,
            "examples": self.examples,
            "first": None if self.examples is None else self.first,
            "known": dict(self.known),
            "firings": None if self.firings is None else _by_number(self.firings),
            "failed": None if self.failed is None else asdict(self.failed),
            "command": self.command,
            "figures": dict(self.figures),
            "fired": dict(self.fired),
            "findings": [_finding_data(finding) for finding in self.findings],
            "narratives": [
                {
                    "record": narrative.record,
                    "alike": narrative.alike,
                    "lines": list(narrative.lines),
                }
                for narrative in self.narratives
            ],
            "not_applicable": list(self.not_applicable),
            "notes": list(self.notes),
        }


def _by_number(firings: Mapping[int, int]) -> dict[str, int]:
    return {str(number): firings[number] for number in sorted(firings)}


def _finding_data(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "judged": finding.judged,
        "excused": dict(finding.excused),
        "blind": finding.blind,
        "unseen": dict(finding.unseen),
        "not_applicable": finding.not_applicable,
        "count": finding.count,
        "violations": [
            {"text": violation.text, "records": list(violation.records)}
            for violation in finding.violations
        ],
    }


def status_of(reports: Sequence[ScenarioReport], *, bad_input: bool = False) -> int:
    """Return the exit status for several results: invalid before no verdict before valid.

    Args:
        reports: the results.
        bad_input: whether a file could not be run at all.
    """
    found = {_STATUS[report.verdict] for report in reports}
    if STATUS_INVALID in found:
        return STATUS_INVALID
    return STATUS_NO_VERDICT if bad_input or not found or max(found) else STATUS_VALID
