"""docs/tour.md: each command runs, in order, and prints what the page says, but for times."""

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chaos.cli.test_main import Ended

PAGE = (Path(__file__).parents[3] / "docs" / "tour.md").read_text(encoding="utf-8")
FILES = re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL)
SUMMARY = re.findall(r"```\n(partition .*?)```", PAGE, re.DOTALL)


@dataclass(frozen=True)
class Shown:
    """A command of the page and its output there; ``...`` stands for any lines."""

    command: str
    output: Sequence[str]

    def assert_in(self, printed: str) -> None:
        """Assert that the lines of the page were printed, in order."""
        lines = iter(map(masked, printed.splitlines()))
        for expected in self.output:
            if expected != "...":
                assert masked(expected) in lines, f"{self.command}: {expected}\n{printed}"


def masked(line: str) -> str:
    """Return a line without times and ports."""
    return re.sub(r" *[0-9]+\.[0-9]+ ?(s|seconds)?\b|:[0-9]{4,5}\b", "#", line).rstrip()


def commands() -> Iterator[Shown]:
    for block in re.findall(r"```console\n\$ (.*?)```", PAGE, re.DOTALL):
        command, *output = block.splitlines()
        yield Shown(command, output)


SHOWN = list(commands())


def module(command: str) -> list[str]:
    """Return the words of a command as a process of this environment."""
    program, *words = shlex.split(command)
    return [sys.executable, "-P", "-m", program.removeprefix("spu-"), *words]


def test_the_page_has_a_command_for_each_of_its_sections() -> None:
    programs = [re.search(r"spu-\w+( run| replay| explore| certify)?", s.command) for s in SHOWN]
    assert [each.group() for each in programs if each] == [
        "spu-simulator",
        "spu-producer",
        "spu-chaos run",
        "spu-chaos run",
        "spu-chaos replay",
        "spu-chaos explore",
        "spu-chaos certify",
    ]
    assert len(FILES) == 4


def test_the_producer_sends_again_what_was_stored_without_an_answer() -> None:
    simulator, producer, *_ = SHOWN
    words = [*module(simulator.command), "--port", "0", "--spu-port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = process.stdout.readline()
        simulator.assert_in(ready)
        [address] = re.findall(r"sc=(\S+)", ready)
        given, _, sending = producer.command.partition(" | ")
        sent = subprocess.run(
            module(sending.replace("127.0.0.1:9003", address)),
            input=shlex.split(given)[1].replace("\\n", "\n"),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=True,
            timeout=120,
        )
        producer.assert_in(sent.stdout)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=60)
    Shown("summary", SUMMARY[0].splitlines()).assert_in(printed)


def test_the_commands_of_the_harness_print_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES:
        (tmp_path / name).write_text(text)
    statuses = []
    for shown in SHOWN[2:]:
        ended = Ended(*shlex.split(shown.command)[1:])
        shown.assert_in(ended.out)
        statuses.append(ended.status)
    assert statuses == [0, 1, 1, 1, 0]
    for path in re.findall(r"`((?:\.chaos|certificates)/\S+\.\w+)`", PAGE):
        assert (tmp_path / path).is_file(), path
    without = dict(FILES)["open.yaml"].replace("always: {lost: 0}\n", "")
    (tmp_path / "calm.yaml").write_text(without)
    assert Ended("explore", "calm.yaml", "--examples", "40").status == 0
