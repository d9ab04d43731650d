"""The commands that run nothing: ``validate``, ``schema``, ``list`` and ``init``."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.cli.inform import FIRST_SCENARIO
from chaos.spec.loader import parse_scenario
from tests.chaos.cli.test_main import BAD, PROPERTY, QUIET, Ended

Write = Callable[..., str]


@pytest.fixture
def write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Write:
    monkeypatch.chdir(tmp_path)

    def write(text: str, name: str = "one.yaml") -> str:
        (tmp_path / name).write_text(text)
        return name

    return write


def test_validate_prints_the_type_of_each_file(write: Write) -> None:
    ended = Ended("validate", write(QUIET), write(PROPERTY, "two.yaml"))
    assert ended.status == 0
    assert ended.out == "one.yaml: a scenario, virtual\ntwo.yaml: a property, 20 examples\n"


def test_validate_names_every_mistake_with_its_place(write: Write) -> None:
    ended = Ended("validate", write(BAD))
    assert ended.status == 2
    assert [line.split(": ")[0] for line in ended.err.splitlines()][:1] == ["one.yaml:1:1"]


@pytest.mark.parametrize(
    ("worlds", "workload", "warned"),
    [
        ("[virtual, tcp]", "[sleep: 2s, send, sleep: 1.5s]", "3.5 s"),
        ("[tcp]", "[with_producer: [sleep: 4s]]", "4 s"),
        ("[tcp]", "[concurrently: [[sleep: 2s], [sleep: 2s]], sleep: 2s]", "4 s"),
        ("[tcp]", "[concurrently: [[sleep: 2s], [sleep: 3s]], send]", None),
        ("[tcp]\nslow: true", "[sleep: 9s]", None),
        ("[virtual]", "[sleep: 9s]", None),
        ("[tcp]", "[sleep: 1s..9s]", None),
    ],
)
def test_a_scenario_that_sleeps_long_over_tcp_gets_a_warning(
    write: Write, worlds: str, workload: str, warned: str | None
) -> None:
    ended = Ended("validate", write(f"name: x\nworlds: {worlds}\nworkload: {workload}\n"))
    assert ended.status == 0
    line = f"one.yaml: warning: its steps sleep for {warned}; over tcp a scenario takes at most 3 s"
    assert ended.err == ("" if warned is None else f"{line}, or says slow: true\n")


def test_run_warns_of_it_where_it_runs_over_tcp(write: Write) -> None:
    file = write("name: x\nworkload: [send, sleep: 9s]\n")
    assert Ended("run", file, "--world", "virtual").err == ""


def test_the_schema_is_json() -> None:
    assert "workload" in json.loads(Ended("schema").out)["required"]


@pytest.mark.parametrize("word", ["half-close", "no-loss", "alive-after-heal", "pareto"])
def test_the_list_has_faults_checks_and_distributions(word: str) -> None:
    assert word in Ended("list").out


# --- help


# --- init


def test_init_writes_a_scenario_that_runs(write: Write, tmp_path: Path) -> None:
    assert Ended("init", "my first.yaml").out.endswith("spu-chaos run 'my first.yaml' runs it\n")
    assert Ended("run", "my first.yaml", "--world", "virtual").status == 0
    text = (tmp_path / "my first.yaml").read_text()
    assert text.startswith("# yaml-language-server: $schema=https://")
    assert parse_scenario(FIRST_SCENARIO.format(schema="", file=""), "x").concrete


def test_init_replaces_no_file(write: Write) -> None:
    with pytest.raises(FileExistsError):
        Ended("init", write(QUIET))
