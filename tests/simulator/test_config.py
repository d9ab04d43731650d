from pathlib import Path
from typing import Any

import pytest

from simulator import FaultFileError, SimulatorError, configure
from simulator.faults.kinds.delay import Delay
from simulator.faults.kinds.disconnect import Disconnect
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.duplicate import Duplicate
from simulator.faults.model import Match


def test_without_options_there_is_one_topic_and_no_fault() -> None:
    config = configure()
    assert (dict(config.topics), list(config.faults), config.seed) == ({"greetings": 1}, [], 0)


def test_each_option_is_a_fault_of_its_name_in_a_fixed_order() -> None:
    config = configure(
        disconnect=0.4, disconnect_how="fin", duplicate=0.3, drop=0.2, delay="50ms", at="response",
        api="all",
    )  # fmt: skip
    match = Match(api="all")
    delay = config.faults[0]
    assert isinstance(delay, Delay)
    assert delay.by.sample(0.5) == 0.05
    assert list(config.faults[1:]) == [
        Drop(name="drop", at="response", probability=0.2, match=match),
        Duplicate(name="duplicate", at="response", probability=0.3, match=match),
        Disconnect(name="disconnect", at="response", probability=0.4, how="fin", match=match),
    ]


def test_faults_of_a_file_come_behind_those_of_options(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("- stall: {at: request, nth: 1}\n")
    names = [fault.name for fault in configure(drop=0.1, faults=path).faults]
    assert names == ["drop", "stall-1"]


def test_faults_are_taken_as_models_and_the_way_a_file_has_them() -> None:
    config = configure(faults=[Drop(nth=(1,)), {"drop": {"nth": 1}}])
    assert [fault.name for fault in config.faults] == ["drop-1", "drop-2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop": 1.5}, "drop: 1.5 is outside 0..1"),
        ({"drop": "0.1"}, "drop: '0.1' is not a number; write a probability in 0..1"),
        ({"topics": ["greetings"]}, "topics: a list is not a mapping; write names and numbers"),
        ({"topics": {"greetings": "3"}}, "topics: '3' is not a number of partitions, from 1"),
        ({"topics": {"greetings": 0}}, "topics: 0 is not a number of partitions, from 1"),
        ({"topics": {7: 1}}, "topics: 7 is not the name of a topic"),
        ({"port": "9003"}, "port: '9003' is not a whole number"),
        ({"spus": True}, "spus: true is not a whole number"),
        ({"seed": "7"}, "seed: '7' is not a whole number"),
        ({"commit_delay": True}, "commit_delay: true is not a duration; write seconds, or a text"),
        ({"commit_delay": "soon"}, "commit_delay: 'soon' is not a duration"),
        ({"commit_delay": float("nan")}, "commit_delay: nan is outside 0..86400 seconds"),
        ({"recovery": None}, "recovery: nothing is not a duration"),
        ({"recovery": 3601}, "recovery: a delay is at most 60m"),
        ({"recovery": "gamma(1,2)"}, "recovery: 'gamma' is not a distribution"),
        ({"delay": []}, "delay: a list is not a duration"),
        ({"delay": -1}, "delay: -1 is outside 0..86400 seconds"),
        ({"delay": 3601}, "delay: a delay is at most 60m"),
        ({"host": 7}, "host: 7 is not a host"),
        (
            {"advertise": "127.0.0.1:9010"},
            "advertise: '127.0.0.1:9010' is not a host;",
        ),
        ({"advertise": "http://localhost"}, "advertise: 'http://localhost' is not a host"),
        ({"advertise": " "}, "advertise: ' ' is not a host"),
        ({"advertise": "[localhost"}, "advertise: '[localhost' is not a host"),
        ({"memory": "much"}, "memory: 'much' is not a size; write a number of bytes"),
        ({"memory": 1048575}, "memory: 1048575 is less than 1024 KiB, the least"),
        ({"port": 9003, "spu_port": 9003}, "the SC and SPU 0 would both listen on port 9003"),
        ({"port": 9020, "spu_port": 9010, "spus": 2}, "the SC and SPU 1 would both listen on"),
        ({"faults": 7}, "faults: 7 is not a list of faults, nor the path of a faults file"),
        ({"faults": [{"drp": {}}]}, "faults[0]: unknown kind 'drp'; did you mean 'drop'?"),
        ({"faults": ["drop", None]}, "faults[1]: nothing is not a fault"),
        ({"delay": "soon"}, "'soon' is not a duration"),
        ({"dropp": 1.0}, "unknown option 'dropp'; did you mean 'drop'?"),
        ({"at": "sideways"}, "at: 'sideways' is not one of request, response, both"),
        ({"port": 65536}, "port: 65536 is not a port"),
        ({"spu_port": -1}, "spu_port: -1 is not a port"),
        ({"commit_delay": -0.1}, "commit_delay: -0.1 is outside 0..86400 seconds"),
        ({"host": "0.0.0.0", "advertise": ""}, "advertise: '' is not a host"),
        ({"spus": 0}, "spus: 0 is not a number of SPUs; there must be one at least"),
        ({"spu_port": 65530, "spus": 2}, "SPU 1 would listen on port 65540; ports end at 65535"),
        ({"host": "0.0.0.0"}, "say with --advertise HOST"),
        ({"faults": [{"drop": {"match": {"spu": 1}}}]}, "names SPU 1, but there are 1"),
        ({"faults": [{"refuse": {"server": "spu:3"}}]}, "fault refuse-1 names SPU 3"),
        ({"faults": [{"drop": {"nth": 0}}]}, "nth"),
        ({"drop": 0.1, "faults": [Drop(name="drop")]}, "2 faults are named 'drop'"),
    ],
)
def test_what_cannot_be_is_one_clear_line(options: Any, message: str) -> None:
    with pytest.raises(SimulatorError) as caught:
        configure(**options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_mistakes_are_told_at_once() -> None:
    options: Any = {
        "port": "9003",
        "topics": ["greetings"],
        "sead": 7,
        "faults": [{"drop": {"nth": 0, "probabilty": 1}}, {"stall": {"at": "both"}}],
    }
    with pytest.raises(SimulatorError) as caught:
        configure(**options)
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == [
        "port",
        "topics",
        "unknown option 'sead'; did you mean 'seed'?",
        "faults[0].drop.nth",
        "faults[0].drop.probabilty",
    ]
    with pytest.raises(SimulatorError) as caught:
        configure(spus=1, port=9003, spu_port=9003, faults=[{"drop": {"match": {"spu": 1}}}])
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("written", [0.05, "50ms"])
def test_a_duration_is_seconds_or_a_text_with_a_unit(written: float | str) -> None:
    config = configure(delay=written, commit_delay=written)
    (delay,) = config.faults
    assert isinstance(delay, Delay)
    assert (delay.by.sample(0.5), config.commit_delay_s) == (0.05, 0.05)
    assert configure(commit_delay=5).commit_delay_s == 5.0


@pytest.mark.parametrize(
    ("written", "seconds"), [(2, 2.0), ("50ms", 0.05), ("uniform(0s,2s)", 1.0)]
)
def test_a_recovery_time_is_a_duration_or_a_distribution(
    written: float | str, seconds: float
) -> None:
    assert configure(recovery=written).recovery.sample(0.5) == pytest.approx(seconds)
    assert configure().recovery.sample(0.5) == 0.0


@pytest.mark.parametrize(("written", "bytes_"), [(1 << 20, 1 << 20), ("64MiB", 1 << 26)])
def test_memory_is_bytes_or_a_text_with_a_unit(written: int | str, bytes_: int) -> None:
    assert configure(memory=written).memory_bytes == bytes_
    assert configure(memory="1GiB") == configure()


@pytest.mark.parametrize("written", ["[::1]", "::1"])
def test_brackets_around_a_host_are_fine(written: str) -> None:
    config = configure(host=written, advertise=written)
    assert (config.host, config.advertise) == ("::1", "::1")


def test_a_wrong_faults_file_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("- drop: {probabilty: 0.5}\n")
    with pytest.raises(FaultFileError, match=r"faults.yaml:1:10: .*did you mean 'probability'"):
        configure(faults=path)
