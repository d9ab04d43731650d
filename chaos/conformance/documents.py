"""Loads the files that people write beside the recordings: setups, and the fields that may differ.

All mistakes in a file are reported together, each on one line with its position.
"""

from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from simulator.documents.reader import YamlError, parse, read_text
from simulator.documents.strict_model import Strict, shown

M = TypeVar("M", bound=Strict)


class ConformanceFileError(Exception):
    """A file has mistakes. The text has one line for each, with its place."""


def load_document(path: Path, model: type[M]) -> M:
    """Load a YAML file as a model.

    Raises:
        ConformanceFileError: the file cannot be read, or has mistakes.
    """
    try:
        document = parse(read_text(path))
    except YamlError as error:
        raise ConformanceFileError(error.diagnostic.located(str(path))) from error
    if not isinstance(document.data, dict):
        keys = ", ".join(model.model_fields)
        document.add((), f"{shown(document.data)} is not a mapping; the keys are {keys}")
        raise ConformanceFileError("\n".join(document.lines(str(path))))
    try:
        found = model.model_validate(document.data)
    except ValidationError as error:
        document.explain(error)
    else:
        if not document.diagnostics:
            return found
    raise ConformanceFileError("\n".join(document.lines(str(path))))
