"""The pytest plugin, in test runs of its own."""

import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CLIENT = """
import simulator
from tests.simulator.test_blocking import BlockingClient as Client
"""

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tests(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder of tests that can use this repository's plain client."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
    return pytester


def ran(tests: pytest.Pytester, *options: str, **outcomes: int) -> str:
    """Run the tests, compare their outcomes, and return the output."""
    result = tests.runpytest_subprocess(*options, timeout=120)
    result.assert_outcomes(**outcomes)
    return result.stdout.str()


def test_importing_the_plugin_costs_no_library() -> None:
    code = """
import pytest, sys
before = set(sys.modules)
import chaos.pytest_plugin
slow = {"trio", "pydantic", "hypothesis", "rich", "ruamel", "click", "starlette"}
print(sorted(slow & {name.partition(".")[0] for name in set(sys.modules) - before}))
"""
    import subprocess

    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"


def test_each_test_has_a_simulator_of_its_own_with_the_marked_options(
    tests: pytest.Pytester,
) -> None:
    tests.makepyfile(
        CLIENT
        + """
import pytest

@pytest.mark.fluvio(topics={"greetings": 3}, spus=2)
class TestMarked:
    @pytest.mark.fluvio(spus=3)
    def test_options(self, fluvio_simulator):
        assert len(fluvio_simulator.spu_addresses) == 3
        assert len(fluvio_simulator.partitions()) == 3

    @pytest.mark.faults("drop: {at: request, nth: 2}", {"duplicate": {"nth": 1, "at": "request"}})
    def test_faults(self, fluvio_simulator):
        assert [fault.name for fault in fluvio_simulator.list_faults()] == ["drop-1", "duplicate-2"]

def test_records(fluvio_simulator):
    assert fluvio_simulator.seed == 0
    with Client(fluvio_simulator.spu_addresses[0]) as client:
        client.produce(b"a")
    fluvio_simulator.wait_until(stored=1)

def test_several(fluvio_simulator_factory):
    one, two = fluvio_simulator_factory(seed=1), fluvio_simulator_factory(spus=2)
    assert (one.seed, two.seed, one.address != two.address) == (1, 0, True)
"""
    )
    ran(tests, passed=4)


def test_the_simulator_of_the_session_is_reset_before_each_test(tests: pytest.Pytester) -> None:
    tests.makepyfile(
        CLIENT
        + """
import pytest

addresses = set()

@pytest.mark.parametrize("n", range(3))
@pytest.mark.faults("duplicate: {at: request, nth: 2}")
def test_records(fluvio_simulator_session, n):
    sim = fluvio_simulator_session
    addresses.add(sim.address)
    assert len(addresses) == 1
    with Client(sim.spu_addresses[0]) as client:
        client.produce(b"a")
        client.produce(b"b")
    sim.wait_until(stored=3)
    sim.add_faults(drop=1)

@pytest.mark.fluvio(spus=2)
def test_options(fluvio_simulator_session):
    pass
"""
    )
    output = ran(tests, "-p", "no:randomly", passed=3, errors=1)
    assert "test_options: fluvio_simulator_session has the default options" in output
    assert "Traceback" not in output


def test_fixtures_of_a_test_use_the_simulator_of_the_session(tests: pytest.Pytester) -> None:
    tests.makepyfile(
        """
import pytest

@pytest.fixture
def topic(fluvio_simulator_session):
    faults = [fault.kind for fault in fluvio_simulator_session.list_faults()]
    fluvio_simulator_session.create_topic("mine")
    return faults

@pytest.mark.parametrize("n", range(3))
@pytest.mark.faults("stall: {nth: 1}")
def test_topic(topic, fluvio_simulator_session, n):
    assert topic == ["stall"]
    assert [p.topic for p in fluvio_simulator_session.partitions()] == ["greetings", "mine"]
"""
    )
    ran(tests, passed=3)


MISTAKES = {
    'faults("drop: {nht: 1}")': "faults[0].drop.nht: unknown key 'nht'; did you mean 'nth'?",
    'faults("drop: {nth")': "'drop: {nth': not YAML",
    "fluvio(spuz=2)": "unknown option 'spuz'; did you mean 'spus'?",
    "fluvio(2)": "write options by name: fluvio(spus=2)",
    'fluvio(faults=["drop"]), pytest.mark.faults("stall")': "faults are in the mark fluvio and in",
}


@pytest.mark.parametrize("fixture", ["fluvio_simulator", "fluvio_simulator_session"])
def test_a_mistake_in_a_mark_is_one_line_of_its_own_test(
    tests: pytest.Pytester, fixture: str
) -> None:
    lines = ["import pytest", f"def test_last({fixture}):", "    pass"]
    for n, mark in enumerate(MISTAKES):
        # Twice: a fixture of the session that fails would fail in all later tests.
        for name in (f"test_{n}", f"test_{n}_again"):
            lines += [f"@pytest.mark.usefixtures('{fixture}')", f"def {name}():", "    pass"]
            lines.append(f"{name}.pytestmark += [pytest.mark.{mark}]")
    tests.makepyfile("\n".join(lines))
    output = ran(tests, passed=1, errors=2 * len(MISTAKES))
    for n, (mark, text) in enumerate(MISTAKES.items()):
        if fixture == "fluvio_simulator_session" and "fluvio(" in mark:
            text = "fluvio_simulator_session has the default options"
        assert f"test_{n}: {text}" in output
        assert f"test_{n}_again: {text}" in output
    assert "Traceback" not in output


def test_asyncio_anyio_and_trio_tests_use_the_same_fixture(tests: pytest.Pytester) -> None:
    tests.makepyfile(
        """
import asyncio
import anyio
import trio
from wire.address import parse_address

async def with_anyio(address):
    async with await anyio.connect_tcp(*parse_address(address)):
        pass

async def with_asyncio(address):
    _, writer = await asyncio.open_connection(*parse_address(address))
    writer.close()
    await writer.wait_closed()

def test_asyncio(fluvio_simulator):
    asyncio.run(with_asyncio(fluvio_simulator.address))

def test_anyio(fluvio_simulator):
    anyio.run(with_anyio, fluvio_simulator.address)

def test_trio(fluvio_simulator):
    trio.run(with_anyio, fluvio_simulator.address)

async def in_its_loop(sim):
    sim.wait_until(stored=0)
    with sim.faults(drop=0.1):
        assert len(sim.list_faults()) == 1

def test_methods_in_a_loop(fluvio_simulator):
    for run in asyncio.run, anyio.run, trio.run:
        run(in_its_loop, fluvio_simulator) if run is not asyncio.run else run(
            in_its_loop(fluvio_simulator)
        )
"""
    )
    ran(tests, passed=4)


def test_a_failed_test_says_what_its_simulator_did(tests: pytest.Pytester) -> None:
    tests.makepyfile(
        CLIENT
        + """
import pytest

@pytest.mark.faults("duplicate: {at: request, nth: 1}")
def test_records(fluvio_simulator):
    with Client(fluvio_simulator.spu_addresses[0]) as client:
        client.produce(b"a")
    fluvio_simulator.wait_until(stored=2)
    assert len(fluvio_simulator.log("greetings", 0)) == 1
"""
    )
    output = ran(tests, "--fluvio-seed", "7", failed=1)
    assert "fluvio: --fluvio-seed 7" in output
    assert "- fluvio simulator -" in output
    assert "seed 7, SC 127.0.0.1:" in output
    assert "fault duplicate-1: fired 1, shadowed 0" in output
    assert "greetings/0: stored 2, resent 1" in output
    assert "! duplicate-1: duplicate at request of produce id=1 greetings/0" in output


SCENARIO_TEST = """
import chaos
from pathlib import Path

def test_it():
    scenario = chaos.load_scenario_file(Path(__file__).with_name("scenario.yaml")).scenario()
    history = chaos.run_scenario(scenario)
    assert {}
"""


def test_a_failed_test_that_holds_a_history_tells_what_the_run_broke(
    tests: pytest.Pytester,
) -> None:
    (tests.path / "scenario.yaml").write_text(BAD)
    tests.makepyfile(SCENARIO_TEST.format("not chaos.judge(history).broken"))
    output = ran(tests, failed=1)
    _, _, section = output.partition("- fluvio scenario -")
    assert "\nalways:\n  " in section
    assert "\nrecord 0:\n" in section
    assert " s  stored again at greetings/0@" in section


def test_without_a_broken_promise_it_tells_of_records_that_a_fault_struck(
    tests: pytest.Pytester,
) -> None:
    (tests.path / "scenario.yaml").write_text(BAD.partition("always")[0])
    tests.makepyfile(SCENARIO_TEST.format("history.drained is None"))
    output = ran(tests, failed=1)
    _, _, section = output.partition("- fluvio scenario -")
    assert "record 0:\n" in section
    assert " s  stored again at greetings/0@" in section


def test_a_history_that_cannot_be_judged_fails_its_own_test_alone(
    tests: pytest.Pytester,
) -> None:
    (tests.path / "scenario.yaml").write_text(BAD)
    cut = "history.events.__delitem__(slice(6))"  # None, so that the assertion fails
    tests.makepyfile(SCENARIO_TEST.format(cut) + "\ndef test_other():\n    pass\n")
    output = ran(tests, failed=1, passed=1)
    assert "its history cannot be judged: " in output


@pytest.mark.parametrize("options", [(), ("-n", "2"), ("-p", "randomly")])
def test_a_random_seed_is_one_for_the_whole_run(
    tests: pytest.Pytester, options: tuple[str, ...]
) -> None:
    tests.makepyfile(
        """
import pytest

@pytest.mark.parametrize("n", range(4))
def test_seed(fluvio_simulator, tmp_path_factory, n, pytestconfig):
    assert fluvio_simulator.seed == int(pytestconfig.option.fluvio_seed) != 0
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(pytestconfig, "workerinput") else base
    (shared / f"seed-{fluvio_simulator.seed}").touch()
    assert len(list(shared.glob("seed-*"))) == 1
"""
    )
    ran(tests, "--fluvio-seed", "random", *options, passed=4)


def test_a_seed_that_is_none_is_one_line(tests: pytest.Pytester) -> None:
    result = tests.runpytest_subprocess("--fluvio-seed", "x")
    assert "--fluvio-seed: 'x' is not a number, nor 'random'" in result.stderr.str()


GOOD = """
name: a record arrives
workload: [send, flush]
"""

BAD = """
name: a lost answer makes a duplicate
topic: {name: greetings}
faults: [{drop: {at: response, nth: 1}}]
workload: [send, flush]
always: {duplicated: 0}
"""


def test_scenario_files_are_tests_with_the_narrative_as_their_report(
    tests: pytest.Pytester,
) -> None:
    (tests.path / "good.scenario.yaml").write_text(GOOD)
    (tests.path / "bad.scenario.yml").write_text("worlds: [virtual]\n" + BAD)
    (tests.path / "other.yaml").write_text("a: scenario of another tool\n")
    output = ran(tests, passed=2, failed=1)
    assert "a lost answer makes a duplicate [virtual]: invalid" in output
    assert "stored" in output
    assert "again: python -m chaos" in output
    assert "Traceback" not in output


def test_the_examples_of_a_property_are_one_test(tests: pytest.Pytester) -> None:
    (tests.path / "many.scenario.yaml").write_text(
        "name: many\nexamples: 5\nworkload: [{send: {count: 1..3}}, flush]\n"
    )
    ran(tests, passed=1)


def test_the_mistakes_of_a_scenario_file_are_lines(tests: pytest.Pytester) -> None:
    (tests.path / "wrong.scenario.yaml").write_text("name: x\nworkloud: []\n")
    output = ran(tests, errors=1)
    assert "wrong.scenario.yaml:2:1: workloud: unknown key 'workloud'" in output


def test_a_counterexample_is_replayed_without_a_traceback_into_this_project(
    tests: pytest.Pytester,
) -> None:
    (tests.path / "scenario.yaml").write_text(BAD)
    tests.makepyfile(
        """
from pathlib import Path
import chaos

def test_it():
    chaos.replay(Path(__file__).with_name("scenario.yaml"))
"""
    )
    output = ran(tests, failed=1)
    assert "PromiseBrokenError" in output
    assert "duplicated" in output
    assert "replay.py" not in output


def test_a_counterexample_of_a_client_that_is_not_installed_is_skipped(
    tests: pytest.Pytester,
) -> None:
    (tests.path / "scenario.yaml").write_text(BAD)
    tests.makepyfile(
        """
import sys
sys.modules["fluvio"] = None
from pathlib import Path
import chaos

def test_it():
    chaos.replay(Path(__file__).with_name("scenario.yaml"), client="fluvio", world="tcp")
"""
    )
    output = ran(tests, "-rs", skipped=1)
    assert "fluvio" in output
