"""Faults files: the ``faults:`` list of a scenario in a file of its own.

A file holds either the list itself or a mapping with the single key ``faults``. All errors in a
file are reported together, each on one line with its position. Generators, which turn a scenario
into a property, have no meaning here and are rejected.
"""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from simulator.documents.diagnostic import Document, PathInFile
from simulator.documents.quantities import RANGE
from simulator.documents.reader import YamlError, parse, read_text
from simulator.documents.strict_model import Strict, shown
from simulator.faults.fault_list import FaultList
from simulator.faults.model import Fault


class FaultFileError(Exception):
    """A faults file has errors. The text has one line for each error, with its position."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class FaultFile(Strict):
    """The content of a faults file."""

    faults: FaultList
    """The faults, in the order in which they are evaluated."""


def load_faults(path: str | Path) -> list[Fault]:
    """Load the faults of a file, each with a name.

    Raises:
        FaultFileError: the file cannot be read or has errors.
    """
    try:
        text = read_text(path)
    except YamlError as error:
        raise FaultFileError([error.diagnostic.located(str(path))]) from error
    return parse_faults(text, str(path))


def parse_faults(text: str, filename: str) -> list[Fault]:
    """Parse the faults of a text, each with a name.

    Args:
        text: YAML.
        filename: the name of the file in messages.

    Raises:
        FaultFileError: the text has errors.
    """
    try:
        document = parse(text)
    except YamlError as error:
        raise FaultFileError([error.diagnostic.located(filename)]) from error
    _refuse_open_values(document, document.data, ())
    # A bare list is validated as the value of the key, and its paths are shown without the key.
    above: PathInFile = ("faults",) if isinstance(document.data, list) else ()
    if not isinstance(document.data, list | dict) and not document.diagnostics:
        text = "is not a list of faults; write faults: and the list below it"
        document.add((), f"{shown(document.data)} {text}")
        document.opaque.add(())
    try:
        faults = FaultFile.model_validate({"faults": document.data} if above else document.data)
    except ValidationError as error:
        document.explain(error, above=len(above))
    else:
        if not document.diagnostics:
            return faults.faults
    raise FaultFileError(document.lines(filename, above))


def _refuse_open_values(document: Document, value: Any, path: PathInFile) -> None:
    """Report every generator, and suppress all other diagnostics at its path."""
    match value:
        case str() if RANGE.fullmatch(value):
            written = value
        case {"any": _} | {"some": _} if len(value) == 1:
            written = f"{next(iter(value))}:"
        case dict():
            for key, item in value.items():
                _refuse_open_values(document, item, (*path, key))
            return
        case list():
            for position, item in enumerate(value):
                _refuse_open_values(document, item, (*path, position))
            return
        case _:
            return
    document.add(path, f"generators ({written}) belong in scenarios; write one value here")
    document.opaque.add(path)
