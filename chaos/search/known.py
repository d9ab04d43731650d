"""Known defects: what an exploration counts and passes over, so that it goes on to the rest.

A file of known defects names checks and causes. A cause is a set of effects at a cut point, as
events have them, and no text of a report. A broken promise is known if an entry names its check,
and a fault with the effects of that entry struck in the run. An example that breaks nothing but
known promises is counted; it does not fail, and is not shrunk. Shrinking an example that fails
keeps a promise broken that is not known.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, ValidationError, WithJsonSchema

from chaos.history import History
from chaos.oracle.checks import CHECKS, Finding
from chaos.oracle.judge import Result
from simulator.documents.reader import YamlError, parse, read_text
from simulator.documents.strict_model import Strict, hint, shown
from simulator.events import FaultHit
from simulator.faults.effects import CutPoint, Effect

KNOWN_FILES = "known.*"
"""The names of files of known defects, which are no scenarios when a directory is read:
``known.yaml``, or one for each client, such as ``known.fluvio.yaml``."""


class KnownFileError(Exception):
    """A file of known defects has mistakes. The text has one line for each, with its place."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def _checks(value: object) -> tuple[str, ...]:
    names = value if isinstance(value, list | tuple) else [value]
    for name in names:
        if name not in CHECKS:
            raise ValueError(f"unknown check {shown(name)}{hint(str(name), CHECKS)}")
    if not names:
        raise ValueError("no check; write the names of one or more")
    return tuple(names)


def _effect(word: str) -> str:
    known = [effect.value for effect in Effect]
    if word not in known:
        raise ValueError(f"unknown effect {shown(word)}{hint(word, known)}")
    return word


Checks = Annotated[
    tuple[str, ...], PlainValidator(_checks), WithJsonSchema({"type": ["string", "array"]})
]


class KnownCause(Strict):
    """What must have struck in a run; each key narrows it down."""

    effects: Annotated[list[Annotated[str, AfterValidator(_effect)]], Field(min_length=1)]
    """The effects that the fault has, among others."""
    at: Literal["request", "response"] | None = None
    """The cut point; either by default."""
    api: str = "produce"
    """The API of the exchange."""
    codes: list[str] = Field(default_factory=list)
    """The error codes, of which the answer holds one; any by default."""

    def struck(self, hit: FaultHit) -> bool:
        """Return whether a fault hit is this cause."""
        return (
            not hit.shadowed
            and hit.api == self.api
            and set(self.effects) <= set(hit.effects)
            and (self.at is None or hit.at is CutPoint(self.at))
            and (not self.codes or hit.code in self.codes)
        )


class KnownDefect(Strict):
    """One defect of a client that is known."""

    name: Annotated[str, Field(min_length=1)]
    """What the client does; reports count by it."""
    check: Checks
    """The check, or the checks, that the defect breaks."""
    cause: KnownCause

    def explains(self, finding: Finding, hits: Iterable[FaultHit]) -> bool:
        """Return whether this defect may be why a promise was broken."""
        return finding.check in self.check and any(map(self.cause.struck, hits))


class KnownDefects(Strict):
    """The content of a file of known defects."""

    known: list[KnownDefect]


def load_known(path: str | Path) -> tuple[KnownDefect, ...]:
    """Load a file of known defects.

    Raises:
        KnownFileError: the file cannot be read, or has mistakes.
    """
    try:
        document = parse(read_text(path))
    except YamlError as error:
        raise KnownFileError([error.diagnostic.located(str(path))]) from error
    data: Any = document.data
    if not isinstance(data, dict):
        document.add((), f"{shown(data)} is no list of known defects; write known: and the list")
        raise KnownFileError(document.lines(str(path)))
    try:
        found = KnownDefects.model_validate(data)
    except ValidationError as error:
        document.explain(error)
    else:
        if not document.diagnostics:
            return tuple(found.known)
    raise KnownFileError(document.lines(str(path)))


def sorted_out(
    known: Sequence[KnownDefect], history: History, result: Result
) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Return the findings of a run that no known defect explains, and the names of the defects that
    explain the others."""
    hits = [event for event in history.events if isinstance(event, FaultHit)]
    unknown: list[Finding] = []
    names: dict[str, None] = {}
    for finding in result.broken:
        why = next((each for each in known if each.explains(finding, hits)), None)
        if why is None:
            unknown.append(finding)
        else:
            names[why.name] = None
    return tuple(unknown), tuple(names)
