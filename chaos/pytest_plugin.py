"""The pytest plugin: fixtures with a simulator, marks, and scenario files as tests.

``fluvio_simulator``: a simulator of its own for each test.
``fluvio_simulator_session``: one simulator for all tests that want it, reset before each.
``fluvio_simulator_factory``: starts simulators with options, which end with the test.

The simulator runs in a thread, so blocking, asyncio, anyio and trio tests use the same fixtures.
pytest loads this module in every run of a user's tests; it imports nothing until a test needs it.
"""

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from chaos.cli.files import Source
    from chaos.report.scenario_report import ScenarioReport
    from chaos.world.world import WorldName
    from simulator import RunningSimulator

SCENARIO_SUFFIXES = (".scenario.yaml", ".scenario.yml")
"""Files with such a name are collected as tests."""

EVENTS_SHOWN_MAX = 60
"""The most events of a simulator in the report of a failed test; the latest ones are shown."""

_MARKS = (
    "fluvio(**options): options of the simulator of this test, as for simulator.running",
    "faults(*faults): faults of its simulator, as in a faults file: 'drop: {at: response}'",
)

_SIMULATORS = pytest.StashKey[list["RunningSimulator"]]()
_SESSION = pytest.StashKey["RunningSimulator"]()

Factory = Callable[..., "RunningSimulator"]
"""Starts a simulator; takes the options of ``simulator.running``."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the seed."""
    group = parser.getgroup("fluvio", "spu-chaos: a simulated Fluvio cluster")
    group.addoption(
        "--fluvio-seed",
        default="0",
        metavar="N",
        help="The random seed of all simulators and scenarios, or 'random' for another one in "
        "each run, which the header names.  [default: 0]",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks, and draw a seed if that is wanted."""
    for mark in _MARKS:
        config.addinivalue_line("markers", mark)
    seed = str(config.option.fluvio_seed)
    if seed == "random":
        import secrets

        of_controller = getattr(config, "workerinput", {}).get("fluvio_seed")
        config.option.fluvio_seed = of_controller or str(secrets.randbits(32))
    elif not seed.removeprefix("-").isdecimal():
        raise pytest.UsageError(f"--fluvio-seed: {seed!r} is not a number, nor 'random'")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give the workers of pytest-xdist the seed of this process."""
    node.workerinput["fluvio_seed"] = node.config.option.fluvio_seed


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the seed unless it is the default one."""
    seed = config.option.fluvio_seed
    return [] if seed == "0" else [f"fluvio: --fluvio-seed {seed}"]


# --- fixtures


@pytest.fixture
def fluvio_simulator_factory(request: pytest.FixtureRequest) -> Iterator[Factory]:
    """Start simulators: call it with the options of ``simulator.running``."""
    with ExitStack() as stack:

        def start(**options: Any) -> "RunningSimulator":
            return _started(stack, request.node, request.config, options)

        yield start


@pytest.fixture
def fluvio_simulator(request: pytest.FixtureRequest) -> Iterator["RunningSimulator"]:
    """A simulated Fluvio cluster for this test; see ``simulator.RunningSimulator``.

    ``@pytest.mark.fluvio(topics={"greetings": 2}, spus=2)`` gives its options, and
    ``@pytest.mark.faults("drop: {at: response, nth: 1}")`` its faults.
    """
    with ExitStack() as stack:
        options = _marked_options(request.node)
        if faults := _marked_faults(request.node):
            if "faults" in options:
                _refuse(request.node, "faults are in the mark fluvio and in the mark faults")
            options["faults"] = faults
        with _told_as_mistakes(request.node):
            sim = _started(stack, request.node, request.config, options)
        yield sim


@pytest.fixture(scope="session")
def fluvio_simulator_session(request: pytest.FixtureRequest) -> "RunningSimulator":
    """One simulated Fluvio cluster for all tests that want it; it is reset before each of them.

    Its options are the defaults; the mark ``faults`` gives faults for one test.
    """
    return _session_simulator(request.config)


def _session_simulator(config: pytest.Config) -> "RunningSimulator":
    """Return the simulator of the session; start it for the first test that wants it."""
    if _SESSION not in config.stash:
        import simulator

        stack = ExitStack()
        config.stash[_SESSION] = stack.enter_context(
            simulator.running(seed=int(config.option.fluvio_seed))
        )
        config.add_cleanup(stack.close)
    return config.stash[_SESSION]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Reset the simulator of the session before the fixtures of each test that wants it.

    A mistake in the marks of the test must not come up in a fixture of the session: pytest would
    tell it again of each later test.
    """
    item.stash[_SIMULATORS] = []
    if "fluvio_simulator_session" in getattr(item, "fixturenames", ()):
        if any(item.iter_markers("fluvio")):
            _refuse(item, "fluvio_simulator_session has the default options; use fluvio_simulator")
        sim = _session_simulator(item.config)
        sim.reset()
        with _told_as_mistakes(item):
            sim.add_faults(*_marked_faults(item))
        item.stash[_SIMULATORS].append(sim)


def _started(
    stack: ExitStack, item: pytest.Item, config: pytest.Config, options: dict[str, Any]
) -> "RunningSimulator":
    import simulator

    options.setdefault("seed", int(config.option.fluvio_seed))
    sim = stack.enter_context(simulator.running(**options))
    item.stash[_SIMULATORS].append(sim)
    return sim


def _refuse(item: pytest.Item, text: str) -> NoReturn:
    """Fail a test for a mistake in its marks; a traceback would show this module only."""
    pytest.fail(f"{item.nodeid}: {text}", pytrace=False)


@contextmanager
def _told_as_mistakes(item: pytest.Item) -> Iterator[None]:
    """Fail a test whose marks have options or faults that are not possible."""
    from simulator import SimulatorError

    try:
        yield
    except SimulatorError as error:
        _refuse(item, str(error))


def _marked_options(item: pytest.Item) -> dict[str, Any]:
    """Return the options of all marks; the mark that is nearest to the test wins."""
    options: dict[str, Any] = {}
    for mark in item.iter_markers("fluvio"):
        if mark.args:
            _refuse(item, "write options by name: fluvio(spus=2)")
        options = {**mark.kwargs, **options}
    return options


def _marked_faults(item: pytest.Item) -> list[Any]:
    marks = list(item.iter_markers("faults"))
    return [_fault(item, fault) for mark in reversed(marks) for fault in mark.args]


def _fault(item: pytest.Item, fault: Any) -> Any:
    """Return a fault as data or as a model; read it if it is text of a faults file."""
    if not isinstance(fault, str):
        return fault
    from simulator.documents.reader import YamlError, parse

    try:
        document = parse(fault)
    except YamlError as error:
        _refuse(item, f"{fault!r}: {error.diagnostic.text}")
    if document.diagnostics:
        _refuse(item, f"{fault!r}: {document.diagnostics[0].text}")
    return document.data


# --- the report of a failed test


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say of a failed test what its run of a scenario broke, and what its simulators did."""
    report = yield
    if call.when == "call" and report.failed:
        if call.excinfo is not None and (account := _account(call.excinfo)):
            report.sections.append(("fluvio scenario", account))
        for sim in item.stash.get(_SIMULATORS, []):
            report.sections.append(("fluvio simulator", "\n".join(_told(sim))))
    return report


def _account(excinfo: pytest.ExceptionInfo[BaseException]) -> str:
    """Return the account of the latest run that a variable of a failed test holds; empty without
    one."""
    if (module := sys.modules.get("chaos.history")) is None:
        return ""  # the test has run no scenario
    for entry in reversed(excinfo.traceback.filter(excinfo)):
        for value in reversed(entry.frame.f_locals.values()):
            if isinstance(value, module.History):
                from chaos.report.replay import account_of

                try:
                    return account_of(value)
                except Exception as error:  # the test may hold a history that it has cut
                    return f"its history cannot be judged: {error!r}"
    return ""


def _told(sim: "RunningSimulator") -> Iterator[str]:
    """Yield what a simulator did: seed, faults, partitions, then its latest events."""
    from simulator.reporting.console import line_of

    summary = sim.summary()
    yield f"seed {sim.seed}, SC {sim.address}"
    for name, count in summary.faults.items():
        fired = "unknown" if count.fired is None else count.fired
        yield f"fault {name}: fired {fired}, shadowed {count.shadowed}"
    for name, partition in summary.partitions.items():
        yield f"{name}: stored {partition.stored}, resent {partition.resent}"
    events = sim.events
    if (left_out := len(events) - EVENTS_SHOWN_MAX) > 0:
        yield f"... {left_out} earlier events"
    yield from map(line_of, events[-EVENTS_SHOWN_MAX:])


# --- scenario files


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> "ScenarioTests | None":
    """Collect scenario files."""
    if file_path.name.endswith(SCENARIO_SUFFIXES):
        return ScenarioTests.from_parent(parent, path=file_path)
    return None


class ScenarioTests(pytest.File):
    """A scenario file: one test for each world in which it runs."""

    def collect(self) -> Iterable["ScenarioTest"]:
        """Yield the tests.

        Raises:
            CollectError: the file has mistakes; the text has all of them.
        """
        from chaos.cli.files import gather
        from chaos.drivers.driver import driver_named
        from chaos.drivers.registry import PRODUCER

        sources, bad = gather([str(self.path)])
        if bad:
            raise self.CollectError("\n".join(line for each in bad for line in each.lines))
        driver = driver_named(PRODUCER)
        for source in sources:
            explored = not source.prop.concrete
            for world in source.worlds(None, driver, explored=explored):
                yield ScenarioTest.from_parent(self, name=world, source=source, world=world)


class ScenarioTest(pytest.Item):
    """A scenario, or the examples of a property, in one world."""

    def __init__(self, *, source: "Source", world: "WorldName", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._source = source
        self._world = world

    def runtest(self) -> None:
        """Run and judge it.

        Raises:
            ScenarioFailedError: its verdict is not *valid*.
        """
        from chaos.cli.tasks import perform, task_of
        from chaos.drivers.driver import driver_named
        from chaos.drivers.registry import PRODUCER

        given = self.config.option.fluvio_seed
        seed = None if given == "0" else int(given)
        task = task_of(self._source, self._world, driver_named(PRODUCER), seed=seed, out=None)
        report = perform(task)
        if report.verdict != "valid":
            raise ScenarioFailedError(report)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Return the text of the report instead of a traceback."""
        if isinstance(excinfo.value, ScenarioFailedError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Return the place of the test for pytest's report."""
        return self.path, None, f"{self._source.prop.name} [{self._world}]"


class ScenarioFailedError(Exception):
    """A scenario is not valid; the text is its report."""

    def __init__(self, report: "ScenarioReport") -> None:
        super().__init__("\n".join(_lines(report)))


def _lines(report: "ScenarioReport") -> Iterator[str]:
    yield f"{report.title}: {report.verdict}"
    yield from report.reasons
    for finding in report.broken:
        for violation in finding.violations:
            yield f"{finding.check}: {violation.text}"
    for narrative in report.narratives:
        yield ""
        yield f"record {narrative.record}:"
        yield from narrative.shortened()
    yield ""
    yield f"again: {report.command}"
