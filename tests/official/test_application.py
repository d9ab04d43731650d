"""An application with the official client, on trial without a change."""

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from chaos.drivers.application import ApplicationOnTrial
from chaos.oracle.judge import Result, judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario

pytestmark = pytest.mark.official

APPLICATION = """
import sys
from fluvio import Fluvio, FluvioConfig

producer = Fluvio.connect_with_config(FluvioConfig.new(sys.argv[1])).topic_producer("greetings")
outputs = [producer.send(b"", line.rstrip(b"\\n")) for line in sys.stdin.buffer]
producer.flush()
"""


def tried(directory: Path, script: str, faults: list[Any]) -> Result:
    """The verdict on a program."""
    (directory / "app.py").write_text(script)
    words = [sys.executable, str(directory / "app.py")]
    application = ApplicationOnTrial(command=f"{shlex.join(words)} {{address}}")
    scenario = Scenario.model_validate(
        {"name": "x", "faults": faults, "workload": [{"send": {"count": 5}}]}
    )
    return judge(run_scenario(scenario, "tcp", application.open))


REFUSED = {"error": {"name": "refused", "at": "request", "code": "PartitionFull"}}


def test_without_faults_it_is_valid(tmp_path: Path) -> None:
    result = tried(tmp_path, APPLICATION, [])
    assert (result.verdict, result.figures["acknowledged"]) == ("valid", 5)


def test_an_error_that_its_flush_hides_is_a_loss_behind_status_0(tmp_path: Path) -> None:
    result = tried(tmp_path, APPLICATION, [REFUSED])
    assert [finding.check for finding in result.broken] == ["acked-is-stored"]


def test_one_that_waits_for_its_outputs_says_that_a_record_is_lost(tmp_path: Path) -> None:
    waiting = f"{APPLICATION}for output in outputs: output.wait()\n"
    result = tried(tmp_path, waiting, [REFUSED])
    assert (result.verdict, result.figures["lost"]) == ("inconclusive", 5)
    assert "the application ended with status 1" in result.notes
