"""The guides describe every command, option, result key and status."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from chaos.cli.main import main
from chaos.report.scenario_report import ScenarioReport

DOCS = Path(__file__).parents[3] / "docs"
GUIDE = (DOCS / "chaos.md").read_text()
PAGES = [*DOCS.glob("*.md"), DOCS.parent / "README.md"]

WRITTEN = ("mine.yaml", ".chaos/mine-virtual/scenario.yaml", "reset.yaml", "refused.yaml")
"""What a reader writes with ``init``, and what its run keeps. A block of YAML that begins with a
name is written, too."""

OPTIONS = {
    option
    for command in main.commands.values()
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for option in parameter.opts
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_in_the_guides_is_accepted(page: Path) -> None:
    text = page.read_text()
    shown = re.findall(r"```yaml\n# (\S+)\.yaml\n", text)
    kept = [f".chaos/{name}-virtual/scenario.yaml" for name in shown]
    written = (*WRITTEN, *kept, *(f"{name}.yaml" for name in shown))
    for line in re.findall(r"(?:python -m |spu-)chaos( [^`#>|\n]*)", text):
        parsed = CliRunner().invoke(main, [*shlex.split(line), "--help"])
        assert parsed.exit_code == 0, f"{page.name}: {line}: {parsed.output}"
        for word in shlex.split(line):
            if word.startswith("scenarios") or word.endswith((".yaml", ".yml")):
                assert word in written or (DOCS.parent / word).exists(), f"{page.name}: {line}"


@pytest.mark.parametrize("text", [main.epilog, *(c.epilog for c in main.commands.values())])
def test_each_command_in_the_help_is_accepted(text: str) -> None:
    found = re.findall(r"spu-chaos( [^>\n]*)", text)
    assert found
    for line in found:
        assert CliRunner().invoke(main, [*shlex.split(line), "--help"]).exit_code == 0, line


@pytest.mark.parametrize("option", sorted(OPTIONS))
def test_each_option_is_described(option: str) -> None:
    assert f"`{option}" in GUIDE


@pytest.mark.parametrize("name", main.commands)
def test_each_command_is_described(name: str) -> None:
    assert re.search(rf"^\| `{name}\b", GUIDE, re.MULTILINE)


@pytest.mark.parametrize("key", ScenarioReport("x", "x.yaml", "virtual", 0).to_data())
def test_each_key_of_a_result_is_described(key: str) -> None:
    assert re.search(rf"^\|.*`{key}`.* \|", GUIDE, re.MULTILINE)


@pytest.mark.parametrize("status", [0, 1, 2, 130])
def test_each_status_is_described(status: int) -> None:
    assert f"\n| {status} | " in GUIDE
