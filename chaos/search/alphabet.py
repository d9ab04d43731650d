"""Alphabets: the faults and steps that a certificate places.

A letter is a fault without a trigger, or a list of steps. Where a letter is placed follows from the
runs (``placements.py``). An alphabet is YAML: ``faults`` as in a scenario, each at both cut points
unless it says ``at``, and ``steps``, a list of lists of steps. Any kind that is registered can be a
letter.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError

from chaos.spec.generators import named_faults
from chaos.spec.step import OneStep
from simulator.documents.diagnostic import Document
from simulator.documents.reader import YamlError, parse, read_text
from simulator.documents.strict_model import Conflict, Strict, shown
from simulator.faults.fault_list import FaultList
from simulator.faults.model import FAULTS, Fault, Placed
from wire.api import APIS

SMALL: Final = """\
faults:
  - drop
  - disconnect: {how: rst}
  - disconnect: {how: fin}
  - duplicate
  - delay: {by: 1s}
  - stall
  - error: {code: StorageError}
  - error: {at: request, code: NotLeaderForPartition}
  - error: {at: request, code: MessageTooLarge}
"""
"""Eight letters and a final code: without one, a client that lets the last answer decide what
became of earlier attempts keeps every promise."""

DEFAULT: Final = f"""\
{SMALL}\
  - disconnect: {{how: half-close}}
  - corrupt
  - forge: {{what: offset}}
"""

BUILT_IN: Final[Mapping[str, str]] = {"small": SMALL, "default": DEFAULT}
"""The text of each alphabet that has a name."""

PLACED_BY = ("name", "optional", "probability", "nth", "every", "between", "limit")
"""The keys of a fault that a letter does not have, since its placement decides them."""


class AlphabetError(Exception):
    """An alphabet has mistakes. The text has one line for each, with its place."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class AlphabetFile(Strict):
    """The content of an alphabet file."""

    faults: FaultList = Field(default_factory=list)
    """The faults that are placed at injection points."""
    steps: list[Annotated[list[OneStep], Field(min_length=1)]] = Field(default_factory=list)
    """The lists of steps that are placed between the steps of a workload, each as a whole."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Report an alphabet without letters, and letters that place themselves."""
        if not written.get("faults") and not written.get("steps"):
            yield Conflict((), "no letter; write faults or steps")
        faults = written.get("faults")
        for n, fault in enumerate(faults if isinstance(faults, list) else ()):
            if not isinstance(fault, Mapping) or len(fault) != 1:
                continue
            ((kind, fields),) = fault.items()
            if kind == "refuse" and isinstance(fields, Mapping) and "how" not in fields:
                text = "a closed listener counts no connects; add how: rst or how: hang"
                yield Conflict(("faults", n, kind), text)
            for key in PLACED_BY:
                if isinstance(fields, Mapping) and key in fields:
                    text = f"a letter has no {key}, which its placement decides; remove it"
                    yield Conflict(("faults", n, str(kind), key), text)


@dataclass(frozen=True, slots=True)
class FaultLetter:
    """A fault that is placed at injection points."""

    kind: str
    fields: Mapping[str, Any]
    """Its keys, as plain data."""
    fault: Fault


@dataclass(frozen=True, slots=True)
class Alphabet:
    """The letters that are placed."""

    name: str
    """``small``, ``default``, or the path of a file."""
    text: str
    faults: tuple[FaultLetter, ...]
    steps: tuple[list[Any], ...] = ()
    """Lists of steps, as plain data."""

    def with_all_apis(self) -> "Alphabet":
        """Return the alphabet with each fault for each API that it can strike.

        A fault that names an API stays as it is.
        """
        faults = tuple(each for letter in self.faults for each in _for_all_apis(letter))
        return Alphabet(self.name, self.text, faults, self.steps)


def load_alphabet(name: str) -> Alphabet:
    """Load an alphabet.

    Args:
        name: the name of a built-in alphabet, or the path of a file.

    Raises:
        AlphabetError: the file cannot be read, or has mistakes.
    """
    try:
        text = BUILT_IN[name] if name in BUILT_IN else read_text(Path(name))
        document = parse(text)
    except YamlError as error:
        raise AlphabetError([error.diagnostic.located(name)]) from error
    return _alphabet_of(name, text, document)


def _alphabet_of(name: str, text: str, document: Document) -> Alphabet:
    data: Any = document.data
    if not isinstance(data, dict):
        document.add((), f"{shown(data)} is no alphabet; write faults: or steps:, and a list")
        raise AlphabetError(document.lines(name))
    try:
        file = AlphabetFile.model_validate(data)
    except ValidationError as error:
        document.explain(error)
    else:
        if not document.diagnostics:
            written = named_faults(data.get("faults", ()))
            return Alphabet(
                name,
                text,
                tuple(
                    FaultLetter(kind, fields, fault)
                    for (_, kind, fields), fault in zip(written, file.faults, strict=True)
                ),
                tuple(data.get("steps", ())),
            )
    raise AlphabetError(document.lines(name))


def _for_all_apis(letter: FaultLetter) -> Iterator[FaultLetter]:
    match = letter.fields.get("match", {})
    if not isinstance(letter.fault, Placed) or "api" in match:
        yield letter
        return
    for api in APIS:
        fields = {**letter.fields, "match": {**match, "api": api}}
        try:
            fault = FAULTS[letter.kind].model_validate(fields)
        except ValidationError:
            continue  # answers of this API have no field for an error code, or hold no records
        yield FaultLetter(letter.kind, fields, fault)
