"""The guides say what the code does."""

import inspect
import re
import shlex
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from simulator.cli import main
from simulator.control.operations import OPERATIONS, Operation
from simulator.events import EVENTS, PAYLOADS, Event
from simulator.faults.effects import Effect
from simulator.faults.fault_file import parse_faults
from simulator.faults.guide import kinds_rewritten
from simulator.faults.model import FAULTS, Match, Placed
from simulator.tailing.command import tail

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "faults.md").read_text()
PAGES = [*DOCS.glob("*.md"), DOCS.parent / "README.md"]


def simulator_events() -> list[type[Event]]:
    return [event for event in EVENTS.values() if event.__module__ == "simulator.events"]


def words(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def test_the_kinds_stand_there_as_make_docs_would_write_them() -> None:
    assert kinds_rewritten(PAGE) == PAGE, "run `make docs`"


@pytest.mark.parametrize("kind", FAULTS.values(), ids=lambda kind: kind.kind)
def test_each_kind_is_described_as_in_its_class(kind: type) -> None:
    assert words(inspect.getdoc(kind) or "missing") in words(PAGE)


def test_each_effect_is_explained() -> None:
    rows = re.findall(r"^\| \*([a-z-]+)\* \|", PAGE, re.MULTILINE)
    assert rows == [effect.value for effect in Effect]


@pytest.mark.parametrize("name", [*Placed.model_fields, *Match.model_fields])
def test_each_key_of_a_fault_is_described(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_the_faults_file_of_the_guide_is_a_faults_file() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert [fault.kind for fault in parse_faults(text, "faults.md")] == [
        "drop",
        "disconnect",
        "delay",
        "error",
        "stall",
        "refuse",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_of_the_guides_is_one_that_the_simulator_takes(page: Path) -> None:
    text = page.read_text().replace("\\\n   ", "")
    for line in re.findall(r"(?:python -m |spu-)simulator( (?:-|tail |ctl )[^`#>\n]*)", text):
        options = shlex.split(re.split(r" {3,}", line)[0])
        parsed = CliRunner().invoke(main, [*options, "--help"])
        assert parsed.exit_code == 0, f"{page.name}: {line}: {parsed.output}"


@pytest.mark.parametrize(
    "option",
    [
        option
        for parameter in (*main.params, *tail.params)
        if isinstance(parameter, click.Option)
        for option in parameter.opts
    ],
)
def test_each_option_is_described(option: str) -> None:
    assert f"`{option}" in (DOCS / "simulator.md").read_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("event", simulator_events(), ids=lambda event: event.__name__)
def test_each_event_is_described_with_its_fields(event: type[Event]) -> None:
    page = (DOCS / "simulator.md").read_text()
    (row,) = re.findall(rf"\| `{event.__name__}` \|.*", page)
    assert words((inspect.getdoc(event) or "missing").split("\n")[0].rstrip(".")) in words(row)
    for field in fields(event):
        if field.name not in PAYLOADS:
            assert f"`{field.name}`" in page


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.name)
def test_each_operation_of_the_control_api_is_listed_with_its_request(operation: Operation) -> None:
    row = f"| `{operation.name}` | `{operation.method} {operation.path}"
    assert row in (DOCS / "control.md").read_text()
