"""The two Rust examples of Fluvio's documentation, as they stand there, against the simulator."""

import os
import subprocess
from pathlib import Path

import pytest

import simulator
from chaos.drivers.kinds.official_rust import RELEASE
from chaos.drivers.registry import OFFICIAL_ENVIRONMENT
from simulator.faults.kinds.drop import Drop

pytestmark = pytest.mark.rust

PROFILE = """
version = "2.0"
current_profile = "simulator"
[profile.simulator]
cluster = "simulator"
[cluster.simulator]
endpoint = "{address}"
[cluster.simulator.tls]
tls_policy = "disabled"
"""


def run(name: str, address: str, folder: Path) -> None:
    """Run an example with a profile that has an address."""
    profile = folder / "config"
    profile.write_text(PROFILE.format(address=address))
    subprocess.run(
        [RELEASE / "examples" / name],
        env={**os.environ, **OFFICIAL_ENVIRONMENT, "FLV_PROFILE_PATH": str(profile)},
        check=True,
        timeout=20,
    )


@pytest.mark.parametrize("name", ["at_least_once", "at_most_once"])
def test_the_record_of_an_example_is_stored(name: str, tmp_path: Path) -> None:
    with simulator.running() as sim:
        run(name, sim.address, tmp_path)
        (record,) = sim.log("greetings", 0)
        assert (record.key, record.value) == (b"Hello", b"Fluvio!")


@pytest.mark.parametrize(("name", "copies"), [("at_least_once", 2), ("at_most_once", 1)])
def test_after_a_lost_answer_at_least_once_alone_sends_again(
    name: str, copies: int, tmp_path: Path
) -> None:
    with simulator.running(faults=[Drop(name="lost", at="response", nth=1)]) as sim:
        run(name, sim.address, tmp_path)
        assert len(sim.log("greetings", 0)) == copies
