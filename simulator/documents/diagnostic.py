"""What is wrong in a file, and where: problems, and the document that they are found in."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from simulator.documents.strict_model import hint, shown

PathInFile = tuple[str | int, ...]


def printable(text: str) -> str:
    """Text of others for a terminal: nothing in it moves a cursor or ends a line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file."""

    line: int
    """From 1; 0 if it concerns the file as a whole."""
    column: int
    path: PathInFile
    """Where in the data; empty where there is no data."""
    text: str
    """What is wrong, and what is expected."""

    def located(self, filename: str, above: PathInFile = ()) -> str:
        """The problem as one line, ``file:line:column: path: text`` as far as each is known.

        Args:
            filename: what to call the file.
            above: where the file's data stands in something larger, to go before the path.
        """
        place = f"{filename}:{self.line}:{self.column}" if self.line else filename
        path = shown_path((*above, *self.path)) if self.path else ""
        line = ": ".join(part for part in (place, path, self.text) if part)
        # Words of the file may hold what ends a line for somebody; here they stay on this one.
        return printable(line)


@dataclass(slots=True)
class Document:
    """Plain data and the place of each part."""

    data: Any = None
    places: dict[PathInFile, tuple[int, int]] = field(default_factory=dict)
    """Line and column, from 1, of the key of each value in a mapping, or of the item of a list."""
    problems: list[Problem] = field(default_factory=list)
    """What is wrong with the text itself."""
    opaque: set[PathInFile] = field(default_factory=set)
    """Where something that cannot be taken stands; nothing more is said about what is there."""

    def add(self, path: PathInFile, text: str, place: tuple[int, int] | None = None) -> None:
        """Note a problem, at a place or at that of its path."""
        line, column = place or self.places[path]
        self.problems.append(Problem(line, column, path, text))

    def explain(self, error: ValidationError, above: int = 0) -> None:
        """Note everything that pydantic found.

        Args:
            error: from the validation of the data.
            above: how many parts of the error's paths lead to the data, where more was validated.
        """
        for path, text in explained(error, self.places, above):
            if not self.hides(path):
                self.add(path, text)

    def hides(self, path: PathInFile) -> bool:
        """Whether a path leads to something that cannot be taken, or into it."""
        return any(path[:n] in self.opaque for n in range(len(path) + 1))

    def lines(self, filename: str, above: PathInFile = ()) -> list[str]:
        """The problems as lines, in the order of the file; see ``Problem.located``."""
        in_order = sorted(self.problems, key=lambda problem: (problem.line, problem.column))
        return [problem.located(filename, above) for problem in in_order]


def explained(
    error: ValidationError, places: Container[PathInFile], above: int = 0
) -> Iterator[tuple[PathInFile, str]]:
    """Everything that pydantic found: where in the data, and what is wrong there.

    Args:
        error: from the validation of the data.
        places: the paths of the data.
        above: how many parts of the error's paths lead to the data, where more was validated.
    """
    for found in error.errors(include_url=False):
        yield _within(found["loc"][above:], places), _text_of(found)


def _within(loc: PathInFile, places: Container[PathInFile]) -> PathInFile:
    """The part of an error's path that leads to a value of the data.

    pydantic also names the member of a union that it chose (in angle brackets here), keys that are
    missing, and items that a validator made.
    """
    path: PathInFile = ()
    for part in loc:
        if (*path, part) in places:
            path = (*path, part)
        elif not str(part).startswith("<"):
            break
    return path


def shown_path(path: PathInFile) -> str:
    """A path as people read it, for example ``faults[1].drop.nth``."""
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
"""What is expected by the types of pydantic's errors, as far as they can occur here."""


def _text_of(found: ErrorDetails) -> str:
    """One of pydantic's errors in our words."""
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
