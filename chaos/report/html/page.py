"""The templates. Every text is escaped by them, and made printable before: no markup, no control
characters, no marks that change the direction of what follows."""

from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from simulator.documents.diagnostic import printable

if TYPE_CHECKING:
    # jinja2 is imported when a page is made, since most commands make none.
    from jinja2 import Environment

TEXT_CHARS_MAX = 600
"""The longest text of a page that comes from a run; a value or an error may have 64 KiB."""


def rendered(template: str, **context: Any) -> str:
    """Return a page: one document without scripts that needs no other file."""
    return _environment().get_template(template).render(**context)


def safe_text(text: object, most: int = TEXT_CHARS_MAX) -> Markup:
    """Return a text for a page: shortened, printable, escaped."""
    whole = str(text)
    cut = f"{whole[:most]}… ({len(whole) - most:,} characters more)" if len(whole) > most else whole
    return escape(printable(cut))


def sentence(text: str) -> Markup:
    """Return a text for a page as a sentence: with a capital and a full stop."""
    return safe_text(f"{text[:1].upper()}{text[1:]}") + "."


def safe_lines(text: str) -> Markup:
    """Return a text of several lines for a page."""
    return Markup("\n").join(escape(printable(line)) for line in text.split("\n"))


def _number(value: float) -> str:
    """Return a coordinate in at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("chaos.report.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(shown=safe_text, lines=safe_lines, sentence=sentence, n=_number)
    return environment
