"""A new fault, step, check and driver: one class or module each, and nothing else changes."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import ModuleType
from typing import ClassVar

import pytest
from click.testing import CliRunner

from chaos.cli.main import main
from chaos.drivers import DriverSession, OpenSession, Recorder
from chaos.drivers.driver import driver_named
from chaos.drivers.kinds.producer import open_producer
from chaos.drivers.registry import DRIVERS, DriverKind, register_driver
from chaos.oracle.checks import CHECKS, register_check
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding, Violations
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.search.injection_points import InjectionPoints
from chaos.spec.guide import steps
from chaos.spec.loader import ScenarioFileError, parse_scenario
from chaos.spec.scenario import Scenario
from chaos.spec.schema import schema
from chaos.spec.step import STEPS, Harness, Step
from chaos.world.world import World
from simulator.documents.quantities import Count, Duration
from simulator.documents.strict_model import Strict
from simulator.faults.effects import Action, CutPoint
from simulator.faults.model import FAULTS, Placed


def scenario(text: str) -> Scenario:
    return parse_scenario(f"name: x\nworlds: [virtual]\n{text}", "x.yaml").scenario()


def listed() -> str:
    result = CliRunner().invoke(main, ["list"])
    assert result.exit_code == 0, result.output
    return result.output


# --- a fault that swallows a frame and ends the connection


@pytest.fixture
def crash() -> Iterator[type[Placed]]:
    class Crash(Placed):
        """Loses a frame and its connection.

        It stands for a server that dies. Not realistic: it is a toy.
        """

        kind: ClassVar[str] = "crash"

        def action(self, at: CutPoint) -> Action:
            return Action(ending="fin")

    yield Crash
    FAULTS.remove("crash")


def test_a_new_fault_strikes_in_a_scenario_and_is_judged(crash: type[Placed]) -> None:
    assert "  crash\n" in listed()
    assert "crash" in schema()["$defs"]["faults.item"]["then"]["enum"]
    at_least_once = scenario(
        "faults: [{crash: {at: response, nth: 1}}, {crash: {at: request, nth: 3}}]\n"
        "workload: [{send: {count: 3, wait: true}}, flush]"
    )
    history = run_scenario(at_least_once)
    result = judge(history)
    assert (result.verdict, result.reasons, result.broken) == ("valid", (), ())
    assert dict(result.fired) == {"crash-1": 1, "crash-2": 1}
    assert result.figures["duplicated"] == 1, "its answer was lost, so that it was sent again"
    [first, *_] = at_least_once.faults
    assert isinstance(first, Placed)
    assert next(point.struck for point in InjectionPoints(history).of(first))


def test_a_new_fault_explains_what_at_most_once_loses(crash: type[Placed]) -> None:
    result = judge(
        run_scenario(
            scenario(
                "producer: {delivery_semantic: at-most-once}\n"
                "faults: [{crash: {at: request, nth: 2}}]\n"
                "workload: [{send: {count: 3, pace: 10ms}}, flush]"
            )
        )
    )
    assert (result.verdict, result.broken) == ("valid", ())
    assert result.figures["lost"] == 1


def test_a_property_draws_a_new_fault(crash: type[Placed]) -> None:
    prop = parse_scenario(
        "name: x\nfaults:\n  - some: [{crash: {nth: 1..5}}]\nworkload: [send]", "x.yaml"
    )
    assert not prop.concrete
    assert prop.faults == ("crash-1",)


# --- a step that naps twice


@pytest.fixture
def nap() -> Iterator[type[Step]]:
    class Nap(Strict, Step):
        """Sleeps several times."""

        kind: ClassVar[str] = "nap"

        times: Count = 2
        """How often."""
        each: Duration = 1.0
        """How long each time."""

        async def perform(self, run: Harness) -> None:
            for _ in range(self.times):
                await run.sleep(self.each)

    yield Nap
    STEPS.remove("nap")


def test_a_new_step_is_read_described_and_performed(nap: type[Step]) -> None:
    with pytest.raises(ScenarioFileError, match=r"unknown key 'tmies'; did you mean 'times'"):
        scenario("workload: [{nap: {tmies: 3}}]")
    assert "  nap\n" in listed()
    assert "nap" in schema()["$defs"]["Scenario.workload.item"]["then"]["enum"]
    assert any("| `nap` | `times`: a whole number from 1" in row for row in steps())
    short, long = (
        run_scenario(scenario(f"workload: [send, {step}, flush]"))
        for step in ("nap", "{nap: {times: 5, each: 2s}}")
    )
    assert judge(short).verdict == judge(long).verdict == "valid"
    times = [history.healed_at for history in (short, long)]
    assert times == pytest.approx([2, 10], abs=0.1)


# --- a check that no record is sent


@pytest.fixture
def silence() -> Iterator[ModuleType]:
    module = ModuleType("silence", "Nothing is sent, which is easy to judge.")

    def check(evidence: Evidence) -> Finding:
        found = Violations("silence")
        for record in evidence.sent:
            found.judged += 1
            found.add(f"record {record.id} was sent", [record.id])
        return found.finding()

    parts = {"NAME": "silence", "SEMANTICS": ("at-least-once",), "NEEDS": (), "check": check}
    parts |= {"EXCUSES": (), "CAUSES": ()}
    for name, value in parts.items():
        setattr(module, name, value)
    register_check(module)
    yield module
    CHECKS.remove("silence")


def test_a_new_check_is_listed_and_judges(silence: ModuleType) -> None:
    assert "  silence\n    Nothing is sent, which is easy to judge.\n" in listed()
    result = judge(run_scenario(scenario("workload: [send]")))
    assert result.verdict == "invalid"
    [finding] = result.broken
    assert (finding.check, finding.count) == ("silence", 1)
    at_most_once = "producer: {delivery_semantic: at-most-once}\nworkload: [send]"
    assert judge(run_scenario(scenario(at_most_once))).verdict == "valid"


# --- a driver that counts


@pytest.fixture
def counted() -> Iterator[list[str]]:
    opened: list[str] = []

    def open_counting(argument: str) -> OpenSession:
        @asynccontextmanager
        async def counting(
            address: str, scenario: Scenario, world: World, recorder: Recorder
        ) -> AsyncIterator[DriverSession]:
            opened.append(argument)
            async with open_producer(address, scenario, world, recorder) as client:
                yield client

        return counting

    register_driver(
        DriverKind(
            word="counting",
            text="Our producer, counted.",
            argument="LABEL",
            open=open_counting,
            worlds=("virtual",),
        )
    )
    yield opened
    DRIVERS.remove("counting")


def test_a_new_driver_is_named_listed_and_driven(counted: list[str]) -> None:
    assert "  counting:LABEL\n    Our producer, counted.\n" in listed()
    with pytest.raises(ValueError, match=r"unknown client 'x'; write .*counting:LABEL"):
        driver_named("x")
    driver = driver_named("counting:a b")
    assert (driver.worlds, driver.unavailable) == (("virtual",), None)
    history = run_scenario(scenario("workload: [send]"), "virtual", driver.open)
    assert judge(history).verdict == "valid"
    assert counted == ["a b"]


@pytest.mark.parametrize("registry", [FAULTS, STEPS, CHECKS, DRIVERS])
def test_no_toy_is_left_behind(registry: dict[str, object]) -> None:
    assert not {"crash", "nap", "silence", "counting"} & set(registry)
