"""Runs of which pages are made, and a parser that holds pages against the rules of HTML."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from chaos.history import History
from chaos.mutants import MUTANTS
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario

RETRY = {"max_retries": 5, "initial_delay": "10ms", "max_delay": "2s", "timeout": "10s"}
"""The policy of the documentation; an attempt waits 0.815 s."""

GIVES_UP_EARLY = {
    "name": "a reset before the append",
    "producer": {"retry": {**RETRY, "max_retries": 1}},
    "faults": [
        {"delay": {"at": "request", "nth": 1, "by": "1ms"}},
        {"disconnect": {"name": "cut-the-wire", "at": "request", "nth": 2}},
    ],
    "workload": [{"send": {"count": 3, "wait": True}}, "flush"],
}
"""Under the mutant ``gives-up-early`` record 1 is lost."""


def played(data: dict[str, Any], mutant: str | None = None) -> History:
    """Return a run in the virtual world, perhaps of a defective producer."""
    scenario = Scenario.model_validate(
        {"name": "a page", "workload": ["send", "flush"], "worlds": ["virtual"], **data}
    )
    with MUTANTS[mutant].applied() if mutant else nullcontext():
        return run_scenario(scenario)


VOID = {"meta", "link", "br", "hr", "img", "input"}
SHAPES = {"line", "path", "rect", "circle"}


@dataclass
class Element:
    """One element of a page."""

    tag: str
    attributes: dict[str, str | None]
    text: str = ""
    """Its text, that of the elements inside included."""


@dataclass
class Page(HTMLParser):
    """Reads a page; every element must be closed where it belongs."""

    elements: list[Element] = field(default_factory=list)
    _open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    @classmethod
    def of(cls, text: str) -> "Page":
        """Read a whole page."""
        page = cls()
        page.feed(text)
        page.close()
        assert not page._open, [e.tag for e in page._open]
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in SHAPES, tag
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open
        assert self._open.pop().tag == tag

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, tag: str, style: str | None = None) -> list[Element]:
        """Return the elements with a tag, and perhaps with a class."""
        return [
            e
            for e in self.elements
            if e.tag == tag
            and (style is None or style in (e.attributes.get("class") or "").split())
        ]

    def one(self, tag: str, style: str | None = None) -> Element:
        """Return the only element with a tag."""
        (found,) = self.all(tag, style)
        return found


def assert_sound(text: str) -> Page:
    """Assert what holds of every page, and return it."""
    page = Page.of(text)
    assert text.startswith("<!doctype html>")
    assert page.one("html").attributes["lang"] == "en"
    ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
    assert len(set(ids)) == len(ids)
    for element in page.elements:
        assert element.tag not in {"script", "iframe", "object", "embed", "link", "img", "base"}
        for name, value in element.attributes.items():
            assert not name.startswith("on")
            assert name not in {"src", "srcset", "action", "formaction"}
            if name in ("aria-labelledby", "aria-describedby"):
                assert value in ids
    for svg in page.all("svg"):
        assert svg.attributes["role"] == "img"
        assert {"aria-labelledby", "aria-describedby"} <= svg.attributes.keys()
    for region in page.all("div", "scroll"):
        assert region.attributes["tabindex"] == "0"
        assert region.attributes["aria-label"]
    assert all(c.isprintable() or c == "\n" for c in text)
    return page
