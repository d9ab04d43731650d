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
        ({"drop": 1.5}, "1.5"),
        ({"delay": "soon"}, "'soon' is not a duration"),
        ({"dropp": 1.0}, "unknown option 'dropp'; did you mean 'drop'?"),
        ({"at": "sideways"}, "at: 'sideways' is not one of request, response, both"),
        ({"port": 65536}, "port: 65536 is not a port"),
        ({"spu_port": -1}, "spu_port: -1 is not a port"),
        ({"commit_delay": -0.1}, "commit_delay: -0.1 seconds; it is 0 at least"),
        ({"host": "0.0.0.0", "advertise": ""}, "say with --advertise HOST"),
        ({"spus": 0}, "0 SPUs; there must be one at least"),
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


def test_a_wrong_faults_file_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("- drop: {probabilty: 0.5}\n")
    with pytest.raises(FaultFileError, match=r"faults.yaml:1:10: .*did you mean 'probability'"):
        configure(faults=path)
