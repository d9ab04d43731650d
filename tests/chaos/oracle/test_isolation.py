"""The judge is independent of the client under test."""

import json
import subprocess
import sys

ALLOWED = (
    "wire",
    "simulator.documents",
    "simulator.faults",
    "simulator.events",
    "chaos.spec",
    "chaos.history",
    "chaos.reports",
    "chaos.consumption",
    "chaos.oracle",
)
"""The rooms of the project that the judge may use, directly or not."""

PROGRAM = """
import importlib, json, pkgutil, sys
import chaos.oracle
for module in pkgutil.walk_packages(chaos.oracle.__path__, "chaos.oracle."):
    importlib.import_module(module.name)
json.dump(sorted(sys.modules), sys.stdout)
"""


def test_the_judge_loads_neither_the_producer_nor_the_serving_simulator_nor_trio() -> None:
    ran = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM],
        capture_output=True,
        check=True,
        text=True,
        timeout=240,
    )
    loaded = json.loads(ran.stdout)
    ours = {
        name for name in loaded if name.split(".")[0] in ("wire", "simulator", "producer", "chaos")
    }
    assert {"chaos.oracle.judge", "chaos.oracle.checks.no_loss"} <= ours
    roots = {"wire", "simulator", "chaos"}
    foreign = {name for name in ours - roots if not name.startswith(ALLOWED)}
    assert foreign == set()
    assert "trio" not in loaded
