"""The commands ``validate``, ``schema``, ``init`` and ``list``, which run nothing."""

import inspect
import json
import shlex
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from chaos.cli.conclude import complain, complain_of
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

INIT_EPILOG = """\b
Examples:
  spu-chaos init mine.yaml
      Write a scenario to start from.
  spu-chaos run mine.yaml
      Run it, in virtual time and on real sockets.
"""

FIRST_SCENARIO = """\
# yaml-language-server: $schema={schema}
# Run it:           spu-chaos run {file}
# Tell its records: spu-chaos replay {file} --all
# Faults, steps:    spu-chaos list
name: a lost answer makes duplicates, never a loss
producer:
  delivery_semantic: at-least-once
faults:
  # The SPU stores the records of the first request, and its answer is lost.
  - drop: {{name: lost-answer, at: response, nth: 1}}
workload:
  - send: {{count: 20, size: 100}}
  - flush
# What must hold in every run, and what must occur.
always: {{lost: 0}}
sometimes: {{duplicated: 20}}
"""
"""The scenario that ``init`` writes."""

SCHEMA_URL = "https://raw.githubusercontent.com/spu-chaos/spu-chaos/main/scenarios/schema.json"

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

    Every mistake is one line on standard error, as file:line:column: path: what is expected. So is
    a warning, which changes no status.

    Status: 0 all files are valid, 2 at least one is not.
    """
    sources, bad = gather(files)
    terminal = Terminal()
    terminal.say_all(f"{source.file}: {_what(source)}" for source in sources)
    complain(bad)
    complain_of(*(source.warning for source in sources if source.warning is not None))
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


@click.command("init", epilog=INIT_EPILOG)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
def init_command(file: Path) -> int:
    """Write a scenario to start from.

    FILE must not exist yet.

    Status: 0 it is written, 2 it cannot be.
    """
    text = FIRST_SCENARIO.format(schema=SCHEMA_URL, file=shlex.quote(str(file)))
    with file.open("x", encoding="utf-8") as new:
        new.write(text)
    Terminal().say(f"{file}: a scenario; spu-chaos run {shlex.quote(str(file))} runs it")
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
