"""The command line as a process: signals, pipes and exit statuses."""

import os
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from chaos.cli.main import cli

COMMAND = [sys.executable, "-P", "-m", "chaos"]
PROJECT = Path(__file__).parents[3]

ENDS_S = 240.0
"""A time limit in seconds that only a process that hangs exceeds."""

QUICK = "name: quick\nworlds: [virtual]\nworkload: [send, flush]\n"
SLOW = "name: slow\nworlds: [tcp]\nslow: true\nworkload: [{sleep: 200s}]\n"
MANY = "name: many\nexamples: 1000000\nworkload:\n  - send: {count: 1..20}\n  - flush\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in (("quick", QUICK), ("slow", SLOW), ("many", MANY)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


IN_THE_BACKGROUND = ["sh", "-c", 'trap "" INT; exec "$0" "$@"']
"""Starts a command as a shell starts a background job, which ignores SIGINT."""


def started(files: Path, *arguments: str, within: Sequence[str] = ()) -> subprocess.Popen[str]:
    """A process in its own group, as a shell starts a command."""
    return subprocess.Popen(
        [*within, *COMMAND, *arguments],
        cwd=files,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def interrupted(
    files: Path,
    arguments: Sequence[str],
    number: signal.Signals = signal.SIGINT,
    within: Sequence[str] = (),
) -> tuple[int, str, str]:
    """Return the result of a command that gets a signal after its first line.

    Standard output and error end only when every process that has them has ended: an orphan would
    hold them open.
    """
    process = started(files, *arguments, within=within)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first == "seed 0\n"
        # A terminal sends SIGINT to the whole group; SIGTERM is mostly sent to one process.
        if number is signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        out, err = process.communicate(timeout=ENDS_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return process.returncode, first + out, err


def test_ctrl_c_ends_all_processes_and_reports_finished_runs(files: Path) -> None:
    status, out, err = interrupted(files, ["run", "quick.yaml", "slow.yaml", "--jobs", "2"])
    assert (status, err) == (130, "")
    assert re.search(r"interrupted after [01] of 2 runs: ", out)


def test_ctrl_c_ends_a_run_in_one_process(files: Path) -> None:
    status, out, err = interrupted(files, ["run", "quick.yaml", "slow.yaml", "--jobs", "1"])
    assert (status, err) == (130, "")
    assert "interrupted after " in out


def test_ctrl_c_ends_an_exploration_and_reports_its_examples(files: Path) -> None:
    status, out, err = interrupted(files, ["explore", "many.yaml", "--jobs", "1"])
    assert (status, err) == (130, "")
    assert "interrupted after " in out


def test_ctrl_c_while_files_are_read_is_one_line(files: Path) -> None:
    os.mkfifo(files / "endless.yaml")
    process = started(files, "run", "quick.yaml", "endless.yaml")
    # Opening returns once the process has opened the pipe; nothing is ever written to it.
    with (files / "endless.yaml").open("wb"):
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=ENDS_S)
    assert (process.returncode, out) == (130, "")
    assert err.strip() == "interrupted before the first run"


def test_ctrl_c_ends_a_replay_and_reports_the_world(files: Path) -> None:
    status, out, err = interrupted(files, ["replay", "slow.yaml"])
    assert (status, err) == (130, "")
    assert out.endswith("\ninterrupted in the world tcp\n")


def test_sigterm_ends_all_processes_too(files: Path) -> None:
    arguments = ["run", "quick.yaml", "slow.yaml", "--jobs", "2"]
    status, out, err = interrupted(files, arguments, signal.SIGTERM)
    assert (status, err) == (130, "")
    assert "interrupted after " in out


@pytest.mark.parametrize(
    "arguments",
    [
        ["explore", "many.yaml", "--jobs", "1"],
        ["explore", "many.yaml", "--jobs", "2"],
        ["run", "slow.yaml", "--jobs", "1"],
        ["run", "quick.yaml", "slow.yaml", "--jobs", "2"],
        ["replay", "slow.yaml"],
    ],
    ids=" ".join,
)
def test_sigterm_ends_a_background_job_too(files: Path, arguments: list[str]) -> None:
    status, out, err = interrupted(files, arguments, signal.SIGTERM, IN_THE_BACKGROUND)
    assert (status, err) == (130, "")
    assert "interrupted " in out


def test_a_background_job_goes_on_ignoring_ctrl_c(files: Path) -> None:
    os.mkfifo(files / "late.yaml")
    process = started(files, "run", "late.yaml", within=IN_THE_BACKGROUND)
    # Opening returns once the process has opened the pipe, and waits for its text.
    with (files / "late.yaml").open("w") as late:
        os.killpg(process.pid, signal.SIGINT)
        late.write(QUICK)
    out, err = process.communicate(timeout=ENDS_S)
    assert (process.returncode, err) == (0, "")
    assert "1 run: 1 valid" in out


def test_processes_end_with_one_that_is_killed(files: Path) -> None:
    arguments = ["run", "quick.yaml", "slow.yaml", "--jobs", "2"]
    status, _, err = interrupted(files, arguments, signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert "Traceback" not in err


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs a handle on a stranger's process")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_ctrl_c_ends_a_client_that_hangs_too(files: Path, jobs: str) -> None:
    os.mkfifo(files / "pid")
    hangs = "import os, signal; open('pid', 'w').write(f'{os.getpid()}\\n'); signal.pause()"
    (files / "hangs.py").write_text(hangs)
    client = f"command:{sys.executable} hangs.py"
    process = started(files, "run", "slow.yaml", "many.yaml", "--jobs", jobs, "--client", client)
    with (files / "pid").open() as pids:
        pid = os.pidfd_open(int(pids.readline()))
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=ENDS_S)
    assert (process.returncode, err) == (130, "")
    assert "interrupted after 0 of 2 runs" in out
    assert select.select([pid], [], [], ENDS_S)[0]
    os.close(pid)


def ended(files: Path, shell: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell, where ``chaos`` stands for the program."""
    return subprocess.run(
        ["bash", "-c", shell.replace("chaos", " ".join(COMMAND))],
        cwd=files,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=ENDS_S,
        check=False,
    )


def test_a_reader_that_exits_early_changes_no_status(files: Path) -> None:
    result = ended(files, "chaos run quick.yaml | head -n 1; echo ${PIPESTATUS[0]}")
    assert (result.stdout, result.stderr) == ("seed 0\n0\n", "")


def test_json_for_a_reader_that_exits_early_prints_no_error(files: Path) -> None:
    result = ended(files, "chaos run quick.yaml --format json | true; echo ${PIPESTATUS[0]}")
    assert (result.stdout, result.stderr) == ("0\n", "")


def test_it_runs_without_a_standard_output(files: Path) -> None:
    result = ended(files, "chaos run quick.yaml >&-; echo $? >&2")
    assert result.stderr == "0\n"


def test_it_runs_without_a_standard_error(files: Path) -> None:
    result = ended(files, "chaos validate none.yaml 2>&-; echo $?")
    assert result.stdout == "2\n"


@pytest.mark.parametrize("arguments", ["--help", "run --help", "--version"])
def test_help_for_a_reader_that_exits_early_changes_no_status(files: Path, arguments: str) -> None:
    result = ended(files, f"(chaos {arguments}; echo $? >&2) | true")
    assert result.stderr == "0\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("where", ["2>/dev/full", "2> >(true)"])
def test_a_standard_error_that_takes_nothing_changes_no_status(files: Path, where: str) -> None:
    (files / "bad.yaml").write_text("name: bad\n" * 2)
    result = ended(files, f"chaos run quick.yaml bad.yaml {where}; echo $?")
    assert "1 run: 1 valid" in result.stdout
    assert result.stdout.endswith("\n2\n")
    assert ended(files, f"chaos frobnicate {where}; echo $?").stdout == "2\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", ["run quick.yaml", "run quick.yaml --format json", "schema"])
def test_a_full_disk_is_one_line(files: Path, arguments: str) -> None:
    result = ended(files, f"chaos {arguments} >/dev/full; echo $?")
    assert result.stdout == "2\n"
    assert result.stderr == "chaos: standard output: no space left on device\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("run", "chaos: Missing argument 'FILE...'.\n"),
        ("explore quick.yaml --for ages", "chaos: Invalid value for '--for': "),
    ],
)
@pytest.mark.usefixtures("sigterm_as_it_was")
def test_a_mistake_is_one_line_and_status_2(
    files: Path,
    arguments: str,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # In this process: each mistake is found before the first run.
    monkeypatch.chdir(files)
    monkeypatch.setattr(sys, "argv", ["chaos", *arguments.split()])
    with pytest.raises(SystemExit) as end:
        cli()
    outcome = capsys.readouterr()
    assert (end.value.code, outcome.out) == (2, "")
    assert outcome.err.startswith(line)
    assert outcome.err.count("\n") == 1


@pytest.fixture
def sigterm_as_it_was() -> Iterator[None]:
    """Restore the handler of SIGTERM after the test."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("rum", "chaos: No such command 'rum'. Did you mean 'run'?\n"),
        ("run quick.yaml --out quick.yaml/x", "chaos: quick.yaml/x: not a directory\n"),
    ],
)
def test_a_mistake_ends_the_process_with_status_2(files: Path, arguments: str, line: str) -> None:
    result = ended(files, f"chaos {arguments}; echo $?")
    assert (result.stdout, result.stderr) == ("2\n", line)


def test_without_a_command_it_prints_the_help(files: Path) -> None:
    result = ended(files, "chaos; echo $?")
    assert result.stdout == "2\n"
    assert result.stderr.startswith("Usage: python -m chaos")


def test_ctrl_c_ends_a_hunt_with_the_score_so_far(files: Path) -> None:
    status, out, err = interrupted(files, ["zoo", "--jobs", "2"])
    assert (status, err) == (130, "")
    assert re.search(r"\d+ of \d+ caught, interrupted after \d+\n", out)
