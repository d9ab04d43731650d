"""What became of one scenario in one world: plain data, made where it ran, told elsewhere.

A run happens in a process of its own and its history stays there: it may take a gigabyte. What
leaves that process is this, with the stories of a few records told already.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chaos.oracle.checks import Finding
from chaos.oracle.judge import FIGURES, Verdict
from chaos.report.narrative import Narrative
from chaos.world.world import WorldName

NARRATIVES_MAX = 3
"""Stories in a summary, each of another kind: nobody reads more at once."""

STATUS_VALID = 0
STATUS_INVALID = 1
STATUS_NO_VERDICT = 2
STATUS_INTERRUPTED = 130
"""The exit statuses; 130 is what shells give to a command that SIGINT ended."""

_STATUS: Mapping[Verdict, int] = {
    "valid": STATUS_VALID,
    "invalid": STATUS_INVALID,
    "inconclusive": STATUS_NO_VERDICT,
}


@dataclass(slots=True)
class ScenarioReport:
    """What became of one scenario, or of one property, in one world."""

    name: str
    file: str
    """Where it was read from."""
    world: WorldName
    seed: int
    """Of a property: what its examples were drawn from."""
    client: str = "producer"
    """Who ran it."""
    verdict: Verdict = "inconclusive"
    reasons: Sequence[str] = ()
    """Why it is inconclusive."""
    findings: Sequence[Finding] = ()
    """What each check found; of a property: in the smallest example that fails."""
    figures: Mapping[str, int] = field(default_factory=lambda: dict.fromkeys(FIGURES, 0))
    """How many records had which outcome; of a property: in all examples together."""
    fired: Mapping[str, int] = field(default_factory=dict)
    """How often each fault struck; of a property: in all examples together."""
    examples: int | None = None
    """Of a property, how many were run; None of a concrete scenario."""
    firings: Mapping[int, int] | None = None
    """Of a property, in how many examples so many faults fired; None of a concrete scenario."""
    narratives: Sequence[Narrative] = ()
    """Of the records of the first broken promises."""
    not_applicable: Sequence[str] = ()
    """What of the scenario the client cannot do, and what it did instead."""
    notes: Sequence[str] = ()
    """What else a person should know of this run."""
    directory: str | None = None
    """Where the run was kept."""
    command: str = ""
    """What repeats it."""
    seconds: float = 0.0
    """How long it took, in real time."""

    @property
    def broken(self) -> Sequence[Finding]:
        """The findings of broken promises."""
        return [finding for finding in self.findings if finding.count]

    @property
    def title(self) -> str:
        """Name, world and, if it is not our own producer, the client."""
        client = "" if self.client == "producer" else f", {self.client}"
        return f"{self.name} [{self.world}{client}]"

    def to_data(self) -> dict[str, Any]:
        """The outcome as ``result.json`` has it.

        Nothing in it depends on the machine or the moment, so that in the virtual world the same
        run gives the same file.
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
            "firings": None if self.firings is None else _by_number(self.firings),
            "command": self.command,
            "figures": dict(self.figures),
            "fired": dict(self.fired),
            "findings": [_finding_data(finding) for finding in self.findings],
            "stories": [
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
        "looked_at": finding.looked_at,
        "blind": finding.blind,
        "count": finding.count,
        "violations": [
            {"text": violation.text, "records": list(violation.records)}
            for violation in finding.violations
        ],
    }


def status_of(reports: Sequence[ScenarioReport], *, bad_input: bool = False) -> int:
    """The exit status for several: one broken promise beats all, no verdict beats valid.

    Args:
        outcomes: what was run.
        bad_input: whether a file could not be run at all.
    """
    found = {_STATUS[report.verdict] for report in reports}
    if STATUS_INVALID in found:
        return STATUS_INVALID
    return STATUS_NO_VERDICT if bad_input or not found or max(found) else STATUS_VALID
