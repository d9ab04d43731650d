"""``python -m tests.official.integration_tests CHECKOUT``: the official client's own tests.

The integration tests of infinyon/fluvio-client-python need a cluster and a profile, and are not
part of this repository. They run with the client of this environment against a simulator, in
processes whose environment holds nothing of the user's: no profile, no ``fluvio`` command, no
options of pytest. The results are compared with ``integration-tests.yaml``.

A hanging test may hold the interpreter's lock, so that neither a signal nor a thread of Python ends
it. pytest's faulthandler, which needs no lock, ends its process, and pytest-xdist reports the test
as failed and starts another process.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from xml.etree import ElementTree as ET

import click
import trio
from pydantic import Field

import simulator
from chaos.conformance.documents import ConformanceFileError, load_document
from simulator.documents.strict_model import Strict
from tests.official.wheel import absence, installed_version, requirement

EXPECTED_FILE = Path(__file__).with_name("integration-tests.yaml")

TEST_WITHIN_S = 60.0
"""The time limit of one test; the longest takes 8 s, most of it in the test's own sleeps."""

RUN_WITHIN_S = 900.0
"""The time limit of the whole run: a little more than all tests need if each takes its own."""

PROCESSES = 4
"""The tests sleep for more than half of their time, and share nothing: topics have random names."""

PROFILE = """version = "2.0"
current_profile = "simulator"
[profile.simulator]
cluster = "simulator"
[cluster.simulator]
endpoint = "{address}"
[cluster.simulator.tls]
tls_policy = "disabled"
"""

STATUS_AS_EXPECTED, STATUS_DIFFERENT, STATUS_NO_RESULT = range(3)

Results = Mapping[str, str | None]
"""By the name of a test, ``module.Class.test``: why it failed; None for one that passed."""


class ExpectedFailures(Strict):
    """Tests that fail before a real cluster, too."""

    reason: Annotated[str, Field(min_length=1)]
    """What they need and lack."""
    tests: Annotated[list[str], Field(min_length=1)]
    """Their names, ``module.Class.test``."""


class ExpectedResults(Strict):
    """The results before a real cluster: the content of ``integration-tests.yaml``."""

    passes: Annotated[int, Field(ge=0)]
    """The number of tests that pass, at least."""
    fails: list[ExpectedFailures]
    """The tests that fail; all others pass."""

    def different(self, results: Results) -> Iterator[str]:
        """Yield a line for each result that is not as expected."""
        reasons = {test: each.reason for each in self.fails for test in each.tests}
        for test, failure in sorted(results.items()):
            if failure is None and test in reasons:
                yield f"{test} passed, although it is listed: {reasons[test]}"
            elif failure is not None and test not in reasons:
                yield f"{test} failed:\n{failure}"
        for test in sorted(reasons.keys() - results.keys()):
            yield f"{test} is listed and was not run"
        passed = passes(results)
        if passed < self.passes:
            yield f"{passed} tests passed; {self.passes} pass before a real cluster"


class NoResultsError(Exception):
    """The tests could not be run. The text has the reason."""


def passes(results: Results) -> int:
    """Return the number of tests that passed."""
    return sum(failure is None for failure in results.values())


@dataclass(frozen=True, slots=True)
class Suite:
    """The integration tests of one checkout."""

    folder: Path
    """The folder of the tests, which is their working directory."""
    test_within_s: float = TEST_WITHIN_S
    processes: int = PROCESSES

    async def results(self) -> Results:
        """Run the tests against a simulator of their own and return what came of each.

        Raises:
            NoResultsError: pytest wrote no report, or did not end in time.
        """
        with trio.move_on_after(RUN_WITHIN_S):
            return await self._results()
        raise NoResultsError(f"the tests did not end within {RUN_WITHIN_S:g} s")

    async def _results(self) -> Results:
        async with simulator.open_simulator() as sim:
            with TemporaryDirectory() as home:
                report = trio.Path(home, "report.xml")
                profile = trio.Path(home, "config")
                await profile.write_text(PROFILE.format(address=sim.address), encoding="utf-8")
                done = await trio.run_process(
                    [sys.executable, "-m", "pytest", *self._options(Path(home), Path(report))],
                    cwd=self.folder,
                    env={
                        "FLV_PROFILE_PATH": str(profile),
                        "HOME": home,
                        "PATH": os.defpath,
                        "PYTHONDONTWRITEBYTECODE": "1",
                    },
                    capture_stdout=True,
                    capture_stderr=True,
                    check=False,
                )
                if not await report.exists():
                    raise NoResultsError((done.stdout + done.stderr).decode(errors="replace"))
                return _read(Path(report))

    def _options(self, home: Path, report: Path) -> Iterator[str]:
        settings = home / "pytest.ini"
        settings.write_text(
            "[pytest]\n"
            f"faulthandler_timeout = {self.test_within_s}\n"
            "faulthandler_exit_on_timeout = true\n",
            encoding="utf-8",
        )
        yield from ("-c", str(settings), "--rootdir", str(self.folder))
        yield from ("--junit-xml", str(report), "--numprocesses", str(self.processes))
        for plugin in ("cacheprovider", "randomly", "trio", "timeout"):
            yield from ("-p", f"no:{plugin}")
        yield str(self.folder)


def _read(report: Path) -> Results:
    """Return the results in a JUnit report.

    A skipped test did not pass; subtests and the teardown belong to their test.
    """
    results: dict[str, str | None] = {}
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        failures = [each.text or each.get("message") or each.tag for each in case]
        results[name] = "\n".join(filter(None, [results.get(name), *failures])) or None
    return results


def summary(results: Results) -> Iterator[str]:
    """Yield one line for each module: how many of its tests passed."""
    tests = Counter(name.partition(".")[0] for name in results)
    passed = Counter(name.partition(".")[0] for name, failure in results.items() if failure is None)
    for module, count in sorted(tests.items()):
        yield f"{module}: {passed[module]} of {count} passed"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("checkout", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(checkout: Path) -> int:
    """Run the integration tests of CHECKOUT, a clone of infinyon/fluvio-client-python.

    Status: 0 all results are those before a real cluster; 1 some differ; 2 there are no results.
    """
    missing = absence(requirement(), installed_version())
    if missing is not None:
        click.echo(missing.reason, err=True)
        return STATUS_NO_RESULT
    folder = checkout.resolve() / "integration-tests"
    if not folder.is_dir():
        click.echo(f"{checkout} has no folder integration-tests", err=True)
        return STATUS_NO_RESULT
    try:
        expected = load_document(EXPECTED_FILE, ExpectedResults)
        results = trio.run(Suite(folder).results)
    except (ConformanceFileError, NoResultsError) as error:
        click.echo(str(error), err=True)
        return STATUS_NO_RESULT
    for line in summary(results):
        click.echo(line)
    different = [*expected.different(results)]
    for line in different:
        click.echo(line)
    if different:
        return STATUS_DIFFERENT
    passed = passes(results)
    click.echo(f"{passed} passed, {len(results) - passed} failed as {EXPECTED_FILE.name} says")
    return STATUS_AS_EXPECTED


if __name__ == "__main__":
    sys.exit(main(standalone_mode=False))
