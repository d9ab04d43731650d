"""``run --app``: the options, their mistakes, and the worked example of the guide."""

import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from chaos.cli.main import main
from chaos.drivers.application import TIMEOUT_MAX_S

PROJECT = Path(__file__).parents[3]
GUIDE = (PROJECT / "docs" / "applications.md").read_text()
EXAMPLE = (PROJECT / "examples" / "application.py").read_text()
WRITTEN = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
COMMANDS = re.findall(r"^\$ python -m chaos (.*)$", GUIDE, re.MULTILINE)

QUIET = "name: quiet\nworkload: [{send: {count: 2}}]\n"
PROPERTY = "name: many\nworkload: [{send: {count: 1..2}}]\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files to run, and the current folder."""
    monkeypatch.chdir(tmp_path)
    for name, text in zip(("reset.yaml", "refused.yaml"), WRITTEN, strict=True):
        (tmp_path / name).write_text(text)
    (tmp_path / "quiet.yaml").write_text(QUIET)
    (tmp_path / "property.yaml").write_text(PROPERTY)
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "application.py").write_text(EXAMPLE)
    return tmp_path


def run(*words: str) -> tuple[int, str]:
    """Status and everything printed."""
    result = CliRunner().invoke(main, ["run", *words], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.return_value, result.output


def example(command: str) -> tuple[int, str]:
    """Run a command of the guide with this Python."""
    words = shlex.split(command)
    assert words.pop(0) == "run"
    return run(*(each.replace("python", shlex.quote(sys.executable), 1) for each in words))


# --- the worked example


def test_the_guide_shows_the_end_of_the_example() -> None:
    (shown,) = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert EXAMPLE.endswith(shown)


def test_the_commands_of_the_guide_end_as_it_says() -> None:
    reset, refused = COMMANDS
    status, out = example(reset)
    assert (status, "1 valid" in out) == (0, True)
    status, out = example(refused)
    assert (status, "no verdict: acked-is-stored judged none" in out) == (2, True)
    assert "note: the application ended with status 1\n" in out
    assert "note: standard error: not all was delivered: " in out


def test_the_same_application_with_status_0_is_invalid_as_the_guide_says(folder: Path) -> None:
    last = EXAMPLE.index("    except* FluvioError")
    script = f"{EXAMPLE[:last]}    except* FluvioError:\n        pass\n"
    (folder / "examples" / "application.py").write_text(script)
    status, out = example(COMMANDS[1])
    quoted = "broken: acked-is-stored, 5 times\n    record 0 was acknowledged by status 0 at "
    assert (status, quoted in out, quoted in GUIDE) == (1, True, True)


def test_each_check_that_is_not_applicable_is_listed_with_its_reason() -> None:
    _, out = run("quiet.yaml", "--app", "false {address}", "--format", "json")
    (result,) = json.loads(out)["runs"]
    why = {each["check"]: each["not_applicable"] for each in result["findings"]}
    assert why["no-loss"] == why["bounded"] == "calls: the application makes its own"
    assert why["order"] is None
    assert result["client"] == "app"


def test_a_kept_run_is_repeated_with_the_same_options(folder: Path) -> None:
    (folder / "values.txt").write_text("one\n")
    words = ["--app", "false {address}", "--expect-values", "values.txt", "--app-timeout", "2s"]
    status, out = run("quiet.yaml", *words)
    assert status == 2
    again = shlex.split(re.findall(r"^again: (.*)$", out, re.MULTILINE)[0])
    assert again == [
        *("python", "-m", "chaos", "run", ".chaos/quiet-tcp-app/scenario.yaml"),
        *words,
    ]
    assert run(*again[4:])[0] == 2


def test_shards_of_runs_with_an_application_are_merged() -> None:
    app = ["--app", "false {address}"]
    run("quiet.yaml", *app, "--shard", "1/1", "--out", "part")
    merged = CliRunner().invoke(main, ["merge", "part"], standalone_mode=False)
    assert merged.return_value == 2
    again = shlex.split(re.findall(r"^again: (.*)$", merged.stdout, re.MULTILINE)[0])
    assert again[3:5] == ["run", "quiet.yaml"]
    assert again[again.index("--app") :][:2] == app


# --- mistakes


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--app", "sh"], "--app: 'sh' has no {address} among its arguments"),
        (["--app", "no-such {address}"], "--app: the program 'no-such' does not exist"),
        (
            ["--app", "sh {address}", "--expect-values", "none.txt"],
            "--app: none.txt: no such file or directory",
        ),
        (
            ["--app", "sh {address}", "--app-timeout", "5m"],
            f"--app: an application may take up to {TIMEOUT_MAX_S:g} s to end",
        ),
        (
            ["--app", "sh {address}", "--client", "producer"],
            "--app and --client name two clients; give one of them",
        ),
        (["--app-timeout", "1s"], "--expect-values and --app-timeout need --app"),
        (["--expect-values", "quiet.yaml"], "--expect-values and --app-timeout need --app"),
    ],
)
def test_a_mistake_is_one_line(words: list[str], message: str) -> None:
    result = CliRunner().invoke(main, ["run", "quiet.yaml", *words])
    assert result.exit_code == 2
    assert message in result.output


def test_properties_and_other_worlds_are_not_for_applications() -> None:
    words = ["quiet.yaml", "property.yaml", "--app", "true {address}", "--world", "virtual"]
    status, out = run(*words)
    assert status == 2
    assert "quiet.yaml: not run, since the client app knows only tcp\n" in out
    assert "property.yaml: not run, since a property is many runs of an --app\n" in out
