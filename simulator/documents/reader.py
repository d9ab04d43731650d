"""Read YAML text as plain data with the position of each part.

A loader that builds objects trusts the file: tags name types to build, aliases multiply their
values, and nesting exhausts the stack. So the reader uses only the events of the parser. It builds
mappings with text as keys, lists, text, numbers, true, false and null by the core schema of YAML
1.2 (``no`` is text). Tags, anchors, aliases and duplicate keys are errors. The parser produces
events on demand, so the reader stops early at a file that nests too deeply.

The result is a ``Document`` (``diagnostic.py``), which turns pydantic's errors into diagnostics
with positions.
"""

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from simulator.documents.diagnostic import Diagnostic, Document, PathInFile
from simulator.documents.strict_model import shown

FILE_BYTES_MAX = 1024 * 1024
"""The largest file that the reader parses. People write kilobytes; a megabyte takes seconds."""

_TOO_LARGE = "is larger than 1 MiB, the most"

DEPTH_MAX = 20
"""The maximum nesting depth of lists and mappings. Valid files nest to less than ten levels, and
the code that reads the data recurses for each level."""

NUMBER_CHARS_MAX = 40
"""The longest number. Longer ones are read as text: no quantity needs them, and Python refuses to
convert very long numbers."""


_ADVICE = {
    "found character '\\t'": "; indent with spaces, not with tabs",
    "cannot start any token": "; put this text in quotes",
    "could not find expected ':'": "; is a ':' or the space behind a '-' missing?",
    "quoted scalar": "; is a quote missing?",
    "mapping values are not allowed": "; is it indented like its neighbours, and text with ': ' in"
    " quotes?",
    "expected <block end>": "; is it indented like its neighbours?",
    "expected ',' or": "; is a bracket or a comma missing?",
    "'<stream end>'": "; the file ends too early",
}
"""Advice for each message of the parser, by a phrase of it: the parser speaks of tokens and blocks.
"""


class YamlError(Exception):
    """A file yields no data at all. Errors in the data are diagnostics of a ``Document``."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.located("file"))
        self.diagnostic = diagnostic


def read_text(path: str | Path) -> str:
    """Return the text of a file.

    Raises:
        YamlError: the file does not exist, cannot be read, is too large, or is not UTF-8.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise YamlError(Diagnostic(0, 0, (), f"cannot be read: {error.strerror}")) from error
    except ValueError as error:  # a null byte in the name
        raise YamlError(Diagnostic(0, 0, (), f"cannot be read: {error}")) from error
    if len(data) > FILE_BYTES_MAX:
        raise YamlError(Diagnostic(0, 0, (), _TOO_LARGE))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        text = f"not UTF-8: byte 0x{data[error.start]:02x}; save the file as UTF-8"
        raise YamlError(Diagnostic(line, column, (), text)) from error


def parse(text: str) -> Document:
    """Parse YAML text.

    Raises:
        YamlError: the text is not YAML, is empty, too large, or nests too deeply. All other errors
            are diagnostics of the document.
    """
    if len(text.encode("utf-8", "surrogatepass")) > FILE_BYTES_MAX:
        raise YamlError(Diagnostic(0, 0, (), _TOO_LARGE))
    try:
        return _Builder(YAML(typ="safe", pure=True).parse(text)).document()
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        words = ", ".join(part for part in (error.context, error.problem) if part)
        advice = next((what for sign, what in _ADVICE.items() if sign in words), "")
        text = f"not YAML: {' '.join(words.split())}{advice}"
        raise YamlError(Diagnostic(line, column, (), text)) from error
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise YamlError(
            Diagnostic(line, column, (), "not YAML: an unprintable character")
        ) from error
    except (YAMLError, ValueError, OverflowError) as error:
        # For some malformed escapes ruamel.yaml raises a built-in error.
        raise YamlError(
            Diagnostic(0, 0, (), f"not YAML: {' '.join(str(error).split())}")
        ) from error


class _Builder:
    """Builds a document from the events of a parser."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._made = Document()

    def document(self) -> Document:
        """Build the document."""
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                break
        else:
            raise YamlError(Diagnostic(0, 0, (), "is empty"))
        first = next(self._events)
        self._made.places[()] = _place(first)
        self._made.data = self._value(first, ())
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                self._made.add((), "a second document; a file holds one", _place(event))
                break
        return self._made

    def _value(self, event: Event, path: PathInFile) -> Any:
        self._refuse_references(event, path)
        match event:
            case ScalarEvent():
                return self._scalar(event, path)
            case SequenceStartEvent():
                self._refuse_depth(len(path) + 1, event)
                return self._sequence(path)
            case MappingStartEvent():
                self._refuse_depth(len(path) + 1, event)
                return self._mapping(path)
        self._made.opaque.add(path)  # a rejected alias
        return None

    def _scalar(self, event: ScalarEvent, path: PathInFile) -> Any:
        value = event.value if event.style is not None else resolved(event.value)
        if isinstance(value, str) and not _encodable(value):
            self._made.add(path, f"{value!a} is not Unicode text", _place(event))
            self._made.opaque.add(path)
            return ""
        return value

    def _sequence(self, path: PathInFile) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            here = (*path, len(items))
            self._made.places[here] = _place(event)
            items.append(self._value(event, here))
        return items

    def _mapping(self, path: PathInFile) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            key, place = self._key(event, path), _place(event)
            if key is None:
                self._skip(next(self._events), path)
            elif (here := (*path, key)) in self._made.places:
                line, _ = self._made.places[here]
                text = f"duplicate key {shown(key)}; line {line} has it already"
                self._made.add(here, text, place)
                self._skip(next(self._events), path)
            else:
                self._made.places[here] = place
                items[key] = self._value(next(self._events), here)
        return items

    def _key(self, event: Event, path: PathInFile) -> str | None:
        """Return a key as text, or None if it is not text."""
        self._refuse_references(event, path)
        if isinstance(event, ScalarEvent) and _encodable(event.value):
            return str(event.value)
        if not isinstance(event, AliasEvent):
            self._made.add(path, "a key must be text", _place(event))
            self._skip(event, path)
        return None

    def _skip(self, event: Event, path: PathInFile) -> None:
        """Skip a value that has no path in the data."""
        depth = 0
        while True:
            self._refuse_references(event, path)
            if isinstance(event, SequenceStartEvent | MappingStartEvent):
                depth += 1
                self._refuse_depth(len(path) + depth, event)
            elif isinstance(event, SequenceEndEvent | MappingEndEvent):
                depth -= 1
            if not depth:
                return
            event = next(self._events)

    def _refuse_depth(self, depth: int, event: Event) -> None:
        if depth > DEPTH_MAX:
            text = f"lists and mappings more than {DEPTH_MAX} deep"
            raise YamlError(Diagnostic(*_place(event), (), text))

    def _refuse_references(self, event: Event, path: PathInFile) -> None:
        match event:
            case AliasEvent():
                text = f"the alias *{event.anchor}; write its value out"
            case ScalarEvent() | SequenceStartEvent() | MappingStartEvent() if event.anchor:
                text = f"the anchor &{event.anchor}; write each value out where it belongs"
            case ScalarEvent() | SequenceStartEvent() | MappingStartEvent() if event.ctag:
                text = f"the tag {shown(str(event.ctag))}; values here have no tags"
            case _:
                return
        self._made.add(path, text, _place(event))


def resolved(text: str) -> Any:
    """Return the value of a plain scalar by the core schema of YAML 1.2."""
    if len(text) > NUMBER_CHARS_MAX:
        return text
    for pattern, read in _SCHEMA:
        if pattern.fullmatch(text):
            return read(text)
    return text


_SCHEMA: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"~|null|Null|NULL|"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", ""))),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda _: math.nan),
)


def _place(event: Event) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _encodable(text: str) -> bool:
    """Return whether text can be encoded; an escape can name half of a surrogate pair."""
    return not any("\ud800" <= char <= "\udfff" for char in text)
