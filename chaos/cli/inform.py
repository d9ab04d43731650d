"""The commands ``validate``, ``schema`` and ``list``, which run nothing."""

import inspect
import json
import textwrap
from collections.abc import Iterator, Sequence

import click

from chaos.cli.conclude import complain
from chaos.cli.files import Source, gather
from chaos.cli.options import files_argument
from chaos.cli.terminal import Terminal
from chaos.drivers.registry import DRIVERS
from chaos.oracle.checks import CHECKS
from chaos.report.phrases import counted
from chaos.report.scenario_report import STATUS_NO_VERDICT, STATUS_VALID
from chaos.spec.schema import schema
from chaos.spec.step import STEPS
from simulator.faults.distributions import Constant, Normal, Pareto, Uniform
from simulator.faults.model import FAULTS

VALIDATE_EPILOG = """\b
Example:
  spu-chaos validate scenarios
      Print the type of each file, and every mistake with its place.
"""

SCHEMA_EPILOG = """\b
Example:
  spu-chaos schema > scenarios/schema.json
      Let an editor complete and explain the keys of scenarios.
"""

LIST_EPILOG = """\b
Example:
  spu-chaos list
      List the parts of a scenario and the checks that judge it.
"""

DISTRIBUTIONS = (
    ("50ms", Constant),
    ("uniform", Uniform),
    ("normal", Normal),
    ("pareto", Pareto),
)
"""The forms of a delay, with the key or an example of each."""


@click.command("validate", epilog=VALIDATE_EPILOG)
@files_argument
def validate_command(files: Sequence[str]) -> int:
    """Check files without running them.

    Every mistake is one line on standard error, as file:line:column: path: what is expected.

    Status: 0 all files are valid, 2 at least one is not.
    """
    sources, bad = gather(files)
    terminal = Terminal()
    terminal.say_all(f"{source.file}: {_what(source)}" for source in sources)
    complain(bad)
    return STATUS_NO_VERDICT if bad else STATUS_VALID


def _what(source: Source) -> str:
    prop = source.prop
    if prop.concrete:
        return f"a scenario, {' and '.join(prop.worlds)}"
    return f"a property, {counted(prop.examples, 'example')}"


@click.command("schema", epilog=SCHEMA_EPILOG)
def schema_command() -> int:
    """Print the JSON Schema of scenario files."""
    text = json.dumps(schema(), indent=2, ensure_ascii=False)
    Terminal().raw(text + "\n")
    return STATUS_VALID


@click.command("list", epilog=LIST_EPILOG)
def list_command() -> int:
    """List faults, steps, drivers, checks and distributions."""
    terminal = Terminal()
    terminal.say_all(_listed())
    return STATUS_VALID


def _listed() -> Iterator[str]:
    yield "faults"
    for word, kind in FAULTS.items():
        yield from _entry(word, inspect.getdoc(kind) or "")
    yield ""
    yield "steps"
    for word, step in STEPS.items():
        yield from _entry(word, inspect.getdoc(step) or "")
    yield ""
    yield "drivers"
    for driver in DRIVERS.values():
        yield from _entry(driver.form, driver.text)
    yield ""
    yield "checks"
    for check in CHECKS.values():
        yield from _entry(check.name, check.text)
    yield ""
    yield "distributions"
    for name, model in DISTRIBUTIONS:
        yield from _entry(name, inspect.getdoc(model) or "")


def _entry(name: str, text: str) -> Iterator[str]:
    yield ""
    yield f"  {name}"
    yield from textwrap.indent(text.replace("``", ""), "    ").splitlines()
