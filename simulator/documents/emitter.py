"""Write plain data as a scenario file in the style of a person.

The emitter of a YAML library writes all mappings in one style. People write a step or a fault on
one line and the keys of the scenario on separate lines, and so does this emitter. Reading the text
gives the same data if files can hold its numbers.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from simulator.documents.quantities import RANGE
from simulator.documents.reader import resolved

WIDTH = 100
"""The line length above which a value goes on several lines, in characters."""

HEADER = "# yaml-language-server: $schema=schema.json\n"
"""Names the schema for editors; for a file in the folder of ``scenarios/schema.json``."""

_INDENT = "  "
_PLAIN = re.compile(r"[^\W_][\w./-]*(?:[ ]+[\w./-]+)*")
"""Text that needs no quotes anywhere."""

_PLAIN_ALONE = re.compile(r"[^\W_][\w./,;()'!?-]*(?:[ ]+[\w./,;()'!?-]+)*")
"""Text that needs no quotes outside of brackets."""


def to_yaml(data: Mapping[str, Any], *, header: str = "") -> str:
    """Return a concrete scenario as the text of a file.

    Args:
        data: plain data.
        header: comment lines at the start of the text, for example ``HEADER``.
    """
    if not data:
        return f"{header}{{}}\n"
    return header + "".join(f"{line}\n" for line in _mapping(data, "", top=True))


def one_line(value: Any) -> str:
    """Return plain data on one line, as it stands in a file."""
    return _flow(value, alone=True)


def _mapping(data: Mapping[str, Any], indent: str, *, top: bool = False) -> Iterator[str]:
    """Yield the lines of a mapping, key by key."""
    for key, value in data.items():
        yield from _entry(f"{indent}{_text(key, flow=True)}:", value, indent, top=top)


def _entry(head: str, value: Any, indent: str, *, top: bool = False) -> Iterator[str]:
    """Yield the lines of an entry that begins with a key or a dash, on one line if possible."""
    if isinstance(value, str) and top and (block := _block(value)):
        yield f"{head} {block[0]}"
        yield from (f"{_INDENT}{line}" if line else "" for line in block[1:])
        return
    line = f"{head} {_flow(value, alone=True)}"
    below = isinstance(value, Mapping | list) and value and not _on_one_line(value, line, top=top)
    if not below:
        yield line
        return
    yield head
    if isinstance(value, Mapping):
        yield from _mapping(value, indent + _INDENT)
    else:
        for item in value:
            yield from _item(item, indent + _INDENT)


def _item(item: Any, indent: str) -> Iterator[str]:
    """Yield the lines of a member of a list."""
    if not isinstance(item, Mapping) or not item:
        yield from _entry(f"{indent}-", item, indent)
        return
    for n, (key, value) in enumerate(item.items()):
        dash = "- " if not n else _INDENT
        yield from _entry(f"{indent}{dash}{_text(key, flow=True)}:", value, indent + _INDENT)


def _on_one_line(value: Any, line: str, *, top: bool) -> bool:
    """Return whether a value goes on one line: it is short and holds no mapping in a list."""
    if len(line) > WIDTH or _has_mappings_in_list(value):
        return False
    return not (top and isinstance(value, Mapping) and any(map(_is_nested, value.values())))


def _has_mappings_in_list(value: Any) -> bool:
    if isinstance(value, list):
        return any(isinstance(item, Mapping) or _has_mappings_in_list(item) for item in value)
    return isinstance(value, Mapping) and any(map(_has_mappings_in_list, value.values()))


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | list) and bool(value)


def _flow(value: Any, *, alone: bool = False) -> str:
    """Return a value in flow style, on one line."""
    match value:
        case Mapping():
            return (
                f"{{{', '.join(f'{_text(k, flow=True)}: {_flow(v)}' for k, v in value.items())}}}"
            )
        case list() | tuple():
            return f"[{', '.join(map(_flow, value))}]"
        case str():
            return _text(value, flow=not alone)
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case float() if not math.isfinite(value):
            return str(value).replace("nan", ".nan").replace("inf", ".inf")
    return repr(value)


def _text(text: str, *, flow: bool) -> str:
    """Return the text, in quotes if it needs them."""
    pattern = _PLAIN if flow else _PLAIN_ALONE
    plain = pattern.fullmatch(text) and text.isprintable() and isinstance(resolved(text), str)
    if plain and not RANGE.fullmatch(text):
        return text
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if char == "\n":
        return "\\n"
    if char.isprintable():
        return char
    return f"\\U{ord(char):08x}" if ord(char) > 0xFFFF else f"\\u{ord(char):04x}"


def _block(text: str) -> list[str] | None:
    """Return multi-line text as the lines of a literal block, or None if YAML cannot hold it so."""
    lines = text.removesuffix("\n").split("\n")
    tidy = all(line.isprintable() and line.strip() == line for line in lines)
    if "\n" not in text or not tidy or not lines[0] or not lines[-1]:
        return None
    return ["|" if text.endswith("\n") else "|-", *lines]
