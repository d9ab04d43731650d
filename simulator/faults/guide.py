"""Generate the sections about fault kinds: ``python -m simulator.faults.guide FILE``.

The sections are between the comments ``<!-- kinds -->`` and ``<!-- end -->``. ``make docs`` writes
them, and a test fails when they are out of date.
"""

import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import fill
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

import simulator.faults.kinds  # noqa: F401  registers every kind
from simulator.faults.effects import Effect
from simulator.faults.model import FAULTS, Fault, Placed, Refusal

WIDTH = 100
"""The line length, in characters."""

_KINDS = re.compile(r"(<!-- kinds -->\n).*?(<!-- end -->)", re.DOTALL)


def kinds_rewritten(page: str) -> str:
    """Return the page with its sections about kinds regenerated."""
    return _KINDS.sub(lambda found: f"{found[1]}{kinds()}{found[2]}", page)


def kinds() -> str:
    """Return a section for each kind: its docstring, its own keys and its effects."""
    return "".join(f"### {word}\n\n{_kind(kind)}\n\n" for word, kind in FAULTS.items())


def _kind(kind: type[Fault]) -> str:
    parts = [_text(paragraph) for paragraph in (inspect.getdoc(kind) or "").split("\n\n")]
    own = [name for name in kind.model_fields if name not in Placed.model_fields]
    texts = kind.described()
    parts.append(
        "\n".join(_key(name, kind.model_fields[name], texts.get(name, "")) for name in own)
    )
    parts.append(_text(" ".join(_effects(kind))))
    return "\n\n".join(filter(None, parts))


def _key(name: str, field: FieldInfo, text: str) -> str:
    words = []
    if get_origin(field.annotation) is Literal:
        words.append(", ".join(f"`{word}`" for word in get_args(field.annotation)))
    if field.is_required():
        words.append("required")
    elif field.default not in (None, ""):
        words.append(f"default `{field.default}`")
    about = f" ({'; '.join(words)})" if words else ""
    return _text(f"- `{name}`{about}: {text}", below="  ")


def _effects(kind: type[Fault]) -> Iterator[str]:
    """Yield sentences about the effects of a kind with its default fields."""
    if issubclass(kind, Refusal):
        ways = get_args(Refusal.model_fields["how"].annotation)
        listed = [f"{_listed(kind.made(how=how).effects)} for `{how}`" for how in ways]
        yield f"Effects on a connect: {'; '.join(listed)}."
    if issubclass(kind, Placed):
        fault = kind.made()
        places = [f"at the {at} {_listed(fault.effects(at))}" for at in fault.cut_points]
        yield f"Effects: {'; '.join(places)}."
        terminal = any(fault.action(at).terminal for at in fault.cut_points)
        yield "Terminal." if terminal else "Not terminal."


def _listed(effects: Iterable[Effect]) -> str:
    return ", ".join(f"*{effect}*" for effect in Effect if effect in effects)


def _text(text: str, below: str = "") -> str:
    words = " ".join(text.replace("``", "`").split())
    return fill(words, WIDTH, subsequent_indent=below, break_on_hyphens=False)


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(kinds_rewritten(page.read_text(encoding="utf-8")), encoding="utf-8")
