"""``--loop``: the fast loop, or trio where the fast loop does not serve."""

import click
import pytest
from click.testing import CliRunner

from chaos.cli.options import loop_option
from chaos.world.loop import names


@click.command()
@loop_option
def command(loop: str) -> None:
    click.echo(loop)


@pytest.mark.parametrize(
    ("arguments", "loop"),
    [([], "fast"), (["--loop", "fast"], "fast"), (["--loop", "trio"], "trio")],
)
def test_examples_run_on_the_fast_loop_unless_trio_is_asked_for(
    arguments: list[str], loop: str
) -> None:
    result = CliRunner().invoke(command, arguments)
    assert (result.stdout, result.stderr) == (f"{loop}\n", "")


def test_with_another_trio_a_warning_says_that_trio_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "VERSIONS", ("0.0.1",))
    result = CliRunner().invoke(command, [])
    assert result.stdout == "trio\n"
    assert result.stderr.count("\n") == 1
    assert "trio serves instead" in result.stderr
    assert not CliRunner().invoke(command, ["--loop", "trio"]).stderr
