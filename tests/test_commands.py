"""The three commands: how they start, what they import, and what their help teaches."""

import importlib.metadata
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from chaos.cli.conformance import main as conformance_main
from chaos.cli.main import main as chaos_main
from chaos.cli.trial import main as trial_main
from producer.cli import main as producer_main
from simulator.cli import main as simulator_main

PROJECT = Path(__file__).parents[1]
COMMANDS = {
    "spu-simulator": simulator_main,
    "spu-producer": producer_main,
    "spu-chaos": chaos_main,
}
PACKAGES = {name: name.removeprefix("spu-") for name in COMMANDS}
ENDS_S = 30.0

TRAP = "print('a file of the working directory was imported')\nraise SystemExit(9)\n"

ENDS_AFTER_SIGNAL = """
import os, signal, sys
from {package}.__main__ import run

class LateSignal:  # of the interpreter's last garbage
    kill, own, number = os.kill, os.getpid(), signal.{name}

    def __del__(self):
        self.kill(self.own, self.number)

sys.late = LateSignal()
sys.argv = ["command", "--version"]
run()
"""

INTERRUPTED_AT = """
import os, signal, sys
from {package}.__main__ import run

class Interrupt:
    left = {n}

    def find_spec(self, name, path=None, target=None):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
sys.argv = ["command", "--version"]
run()
"""


def ran(directory: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command that was run in a directory, in the environment that a user has."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    return subprocess.run(
        command,
        cwd=directory,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=ENDS_S,
    )


def script(name: str) -> str:
    """A console script of the environment that runs the tests."""
    return str(Path(sys.executable).with_name(name))


def leaves(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """A command and its subcommands, each with the words that start it."""
    yield name, command
    if isinstance(command, click.Group):
        for word, each in command.commands.items():
            yield from leaves(f"{name} {word}", each)


LEAVES = [leaf for name, command in COMMANDS.items() for leaf in leaves(name, command)]


# --- files in the working directory


@pytest.mark.parametrize("command", COMMANDS)
def test_a_console_script_imports_nothing_from_the_working_directory(
    command: str, tmp_path: Path
) -> None:
    for name in ("wire", "simulator", "producer", "chaos", "random", "trio", "click"):
        (tmp_path / f"{name}.py").write_text(TRAP)
    done = ran(tmp_path, script(command), "--version")
    version = importlib.metadata.version("spu-chaos")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"spu-chaos {version}\n", "")


@pytest.mark.parametrize("command", COMMANDS)
def test_python_m_imports_no_module_that_hides_one_of_a_library(
    command: str, tmp_path: Path
) -> None:
    for name in ("random", "trio", "click"):
        (tmp_path / f"{name}.py").write_text(TRAP)
    done = ran(tmp_path, sys.executable, "-m", PACKAGES[command], "--version")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("command", "hidden", "file"),
    [
        ("spu-simulator", "wire", "wire.py"),
        ("spu-producer", "wire", "wire/__init__.py"),
        ("spu-chaos", "wire", "wire.py"),
        ("spu-chaos", "simulator", "simulator/__init__.py"),
        ("spu-chaos", "producer", "producer.py"),
    ],
)
def test_python_m_names_the_file_that_hides_a_package_and_the_command_to_run(
    command: str, hidden: str, file: str, tmp_path: Path
) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(TRAP)
    done = ran(tmp_path, sys.executable, "-m", PACKAGES[command], "--version")
    shown = file.removesuffix("__init__.py")
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        f"{command}: {shown} in the working directory hides the package {hidden} from python -m;"
        f" run the command {command} instead\n",
    )


def test_files_that_hide_nothing_are_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "wire").mkdir()  # without __init__.py a folder comes after a package
    (tmp_path / "producer.py").write_text(TRAP)  # which the simulator does not need
    assert ran(tmp_path, sys.executable, "-m", "simulator", "--version").returncode == 0


def test_worker_processes_import_nothing_from_the_working_directory(tmp_path: Path) -> None:
    for name in ("wire", "simulator", "producer", "random", "trio", "multiprocessing", "pickle"):
        (tmp_path / f"{name}.py").write_text(TRAP)
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(
            f"name: {name}\nworlds: [virtual]\nworkload: [send, flush]\n"
        )
    done = ran(tmp_path, script("spu-chaos"), "run", "one.yaml", "two.yaml", "--jobs", "2")
    assert "a file of the working directory" not in done.stdout
    assert "2 runs: 2 valid" in done.stdout
    slow = "running: 1 of 2 runs\n"  # a machine so slow that the progress is told
    assert (done.returncode, done.stderr.replace(slow, "")) == (0, "")


def test_a_program_on_trial_still_imports_the_files_beside_it(tmp_path: Path) -> None:
    example = (PROJECT / "examples" / "client.py").read_text()
    (tmp_path / "client.py").write_text("import beside\n" + example)
    (tmp_path / "beside.py").write_text("import os\nassert 'PYTHONSAFEPATH' not in os.environ\n")
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(
            f"name: {name}\nworlds: [tcp]\nworkload: [send, flush]\n"
        )
    client = f"command:{shlex.quote(sys.executable)} client.py"
    done = ran(
        tmp_path,
        *(script("spu-chaos"), "run", "one.yaml", "two.yaml", "--jobs", "2", "--client", client),
    )
    assert "2 runs: 2 valid" in done.stdout, done.stderr


# --- interrupts


@pytest.mark.parametrize("n", [1, 2, 10, 100])
@pytest.mark.parametrize("command", COMMANDS)
def test_an_interrupt_at_any_import_ends_a_command_quietly(
    command: str, n: int, tmp_path: Path
) -> None:
    code = INTERRUPTED_AT.format(package=PACKAGES[command], n=n)
    done = ran(tmp_path, sys.executable, "-P", "-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_signal_after_the_end_of_a_command_does_not_change_its_status(
    command: str, name: str, tmp_path: Path
) -> None:
    code = ENDS_AFTER_SIGNAL.format(package=PACKAGES[command], name=name)
    done = ran(tmp_path, sys.executable, "-P", "-c", code)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_command_that_ignores_interrupts_goes_on_ignoring_them(tmp_path: Path) -> None:
    code = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n" + INTERRUPTED_AT
    done = ran(tmp_path, sys.executable, "-P", "-c", code.format(package="producer", n=10))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_mistake_that_cannot_be_told_has_its_status(command: str, tmp_path: Path) -> None:
    module = f'"{sys.executable}" -m {PACKAGES[command]}'
    done = ran(tmp_path, "sh", "-c", f"{module} --no-such-option 2>/dev/full")
    assert done.returncode == 2


# --- help

WRITTEN_BY_INIT = "mine.yaml"
"""The one file of the examples that is not in the project."""


@pytest.mark.parametrize(("name", "command"), LEAVES, ids=[name for name, _ in LEAVES])
def test_every_command_has_help_and_a_version(name: str, command: click.Command) -> None:
    main, *words = name.split()
    for option in ("-h", "--help"):
        done = CliRunner().invoke(COMMANDS[main], [*words, option])
        assert done.exit_code == 0
        assert "-h, --help" in done.output
    done = CliRunner().invoke(COMMANDS[main], [*words, "--version"])
    assert done.output == f"spu-chaos {importlib.metadata.version('spu-chaos')}\n"


@pytest.mark.parametrize(("name", "command"), LEAVES, ids=[name for name, _ in LEAVES])
def test_the_help_of_every_command_ends_with_examples_that_it_takes(
    name: str, command: click.Command
) -> None:
    examples = re.findall(r"^  (?:.* \| )?(spu-\S.*)$", command.epilog or "", re.MULTILINE)
    assert any(example.startswith(name) for example in examples)
    for example in examples:
        main, *arguments = shlex.split(re.split(r" [<>]", example)[0])
        done = CliRunner().invoke(COMMANDS[main], [*arguments, "--help"])
        assert done.exit_code == 0, f"{example}: {done.output}"
        for argument in arguments:
            if argument.startswith("scenarios") or argument.endswith((".yaml", ".yml")):
                assert argument == WRITTEN_BY_INIT or (PROJECT / argument).exists(), example


@pytest.mark.parametrize("command", [trial_main, conformance_main])
def test_the_commands_of_the_makefile_have_help_too(command: click.Command) -> None:
    assert "Example" in CliRunner().invoke(command, ["-h"]).output


# --- roots of packages


@pytest.mark.parametrize("package", ["simulator", "producer", "chaos"])
def test_the_root_of_a_package_loads_no_library_and_every_public_name(package: str) -> None:
    code = f"import sys; old = {{*sys.modules}}; import {package}; print(*{{*sys.modules}} - old)"
    done = ran(PROJECT, sys.executable, "-P", "-c", code)
    assert done.stdout.split() == [package]
    root = import_module(package)
    assert sorted(root._HOMES) == root.__all__
    for name, home in root._HOMES.items():
        module, _, original = home.partition(":")
        assert getattr(root, name) is getattr(import_module(module), original or name)
        assert name in dir(root)
        if isinstance(getattr(root, name), type):
            assert getattr(root, name).__module__ == module
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        root.nothing  # noqa: B018
