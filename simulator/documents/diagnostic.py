"""Diagnostics: errors in a file with their positions, and the document that they belong to."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from simulator.documents.strict_model import hint, shown

PathInFile = tuple[str | int, ...]


def printable(text: str) -> str:
    """Escape text for a terminal: the result moves no cursor and ends no line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error in a file."""

    line: int
    """The line, from 1; 0 if the error concerns the file as a whole."""
    column: int
    path: PathInFile
    """The path of the value in the data; empty if there is no data."""
    text: str
    """The error, and what is expected instead."""

    def located(self, filename: str, above: PathInFile = ()) -> str:
        """Format one line, ``file:line:column: path: text``, without the parts that are unknown.

        Args:
            filename: the name of the file in messages.
            above: a prefix of the path, if the data of the file is part of a larger document.
        """
        place = f"{filename}:{self.line}:{self.column}" if self.line else filename
        path = shown_path((*above, *self.path)) if self.path else ""
        line = ": ".join(part for part in (place, path, self.text) if part)
        # Text of the file may hold a character that some reader takes for the end of a line.
        return printable(line)


@dataclass(slots=True)
class Document:
    """Plain data with the position of each part, and the diagnostics about it."""

    data: Any = None
    places: dict[PathInFile, tuple[int, int]] = field(default_factory=dict)
    """Line and column, from 1, of the key of each value in a mapping, or of the item of a list."""
    diagnostics: list[Diagnostic] = field(default_factory=list)
    """The diagnostics found so far."""
    opaque: set[PathInFile] = field(default_factory=set)
    """The paths of rejected values; no further diagnostic concerns them or their parts."""

    def add(self, path: PathInFile, text: str, place: tuple[int, int] | None = None) -> None:
        """Add a diagnostic at ``place``, by default the position of the path."""
        line, column = place or self.places[path]
        self.diagnostics.append(Diagnostic(line, column, path, text))

    def explain(self, error: ValidationError, above: int = 0) -> None:
        """Add a diagnostic for each error that pydantic found.

        Args:
            error: the error that the validation of the data raised.
            above: the length of the prefix to remove from each path, if the data was validated as
                part of a larger document.
        """
        for path, text in explained(error, self.places, above):
            if not self.hides(path):
                self.add(path, text)

    def hides(self, path: PathInFile) -> bool:
        """Return whether a path leads to a rejected value or to a part of one."""
        return any(path[:n] in self.opaque for n in range(len(path) + 1))

    def lines(self, filename: str, above: PathInFile = ()) -> list[str]:
        """Format the diagnostics in the order of the file; see ``Diagnostic.located``."""
        in_order = sorted(
            self.diagnostics, key=lambda diagnostic: (diagnostic.line, diagnostic.column)
        )
        return [diagnostic.located(filename, above) for diagnostic in in_order]


def explained(
    error: ValidationError, places: Container[PathInFile], above: int = 0
) -> Iterator[tuple[PathInFile, str]]:
    """Yield the path and the text of each error that pydantic found.

    Args:
        error: the error that the validation of the data raised.
        places: the paths of the data.
        above: the length of the prefix to remove from each path, if the data was validated as part
            of a larger document.
    """
    for found in error.errors(include_url=False):
        yield _within(found["loc"][above:], places), _text_of(found)


def _within(loc: PathInFile, places: Container[PathInFile]) -> PathInFile:
    """Return the part of an error's path that leads to a value of the data.

    The paths of pydantic also name the chosen member of a union (in angle brackets here), missing
    keys, and items that a validator created.
    """
    path: PathInFile = ()
    for part in loc:
        if (*path, part) in places:
            path = (*path, part)
        elif not str(part).startswith("<"):
            break
    return path


def shown_path(path: PathInFile) -> str:
    """Format a path for a message, for example ``faults[1].drop.nth``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            word = part if re.fullmatch(r"[\w-]+", part) else shown(part)
            text += f".{word}" if text else word
    return text


_EXPECTED = {
    "string_type": "text; put it in quotes",
    "bool_type": "true or false",
    "list_type": "a list",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
}
"""The expected value for each type of pydantic error that can occur here."""


def _text_of(found: ErrorDetails) -> str:
    """Return our text for one pydantic error."""
    kind, value, context = found["type"], found["input"], found.get("ctx", {})
    match kind:
        case "value_error":
            return str(context["error"])
        case "missing":
            return f"the key {shown(found['loc'][-1])} is missing"
        case "literal_error":
            known = re.findall("'([^']*)'", context["expected"])
            word = value if isinstance(value, str) else ""
            return f"{shown(value)} is not known{hint(word, known)}"
        case "string_too_short":
            return "empty text; write something, or leave the key out"
        case "too_short":
            return f"{context['actual_length']} items; write {context['min_length']} at least"
        case "too_long":
            return f"more than {context['max_length']:,} items, the most"
        case "greater_than_equal":
            return f"{shown(value)} is less than {context['ge']:,}, the least"
    if kind in _EXPECTED:
        return f"{shown(value)} is not {_EXPECTED[kind]}"
    return found["msg"]
