"""``python -m chaos.cli.trial PAGE``: the official client on trial, and the page about it.

Each scenario of a folder runs with the official client over tcp and with our producer in virtual
time. The page has the promises, the behaviour of the client, and the commands that repeat it. With
``--compare`` the page is not written but compared with new runs: its text, verdicts and figures
must be the same, while times and request numbers, which depend on the machine, are ignored.
"""

import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from chaos.cli.files import gather
from chaos.cli.terminal import Terminal
from chaos.drivers.driver import driver_named
from chaos.drivers.registry import OFFICIAL, PRODUCER
from chaos.oracle.evidence import Evidence
from chaos.oracle.judge import FIGURES, Verdict, judge
from chaos.report.narrative import Narrator
from chaos.report.scenario_report import STATUS_INVALID, STATUS_NO_VERDICT, STATUS_VALID
from chaos.runner import run_scenario
from chaos.search.pool import WorkerPool, default_jobs
from chaos.spec.loader import parse_scenario
from chaos.spec.property import Property
from chaos.world.world import WorldName

FOLDER = "scenarios/official-client"

INTRODUCTION = f"""\
# The official client on trial

`make trial` runs every scenario in [{FOLDER}](../{FOLDER}) with the official Python client
(`fluvio==0.21.0`, which is the Rust client 0.17.3) over real sockets, and with the producer of this
project in virtual time, and compares the results with this page, which is generated.

The client waits one second for an answer (`FLV_SOCKET_WAIT=1`; the default is 60), so that runs
take seconds and not minutes. It has no option for the retry policy and uses Fluvio's default one:
four retries after 20 ms, 400 ms, 8 s and 160 s, 300 s in all. That policy is the basis of the
verdict.

*invalid* means that a promise was broken, and the checks name it (`python -m chaos list` describes
each check). *inconclusive* means that the client did not answer within the time limit of a step and
was ended: the outcomes of its open records are *unknown*, and the time limit of the promise was not
over.
"""

EXPLORED = f"""\
## Exploring it

Two properties vary everything at once, and `explore` searches for broken promises:

```
python -m chaos explore {FOLDER}/properties/at-least-once.yaml --client fluvio --jobs 2
python -m chaos explore {FOLDER}/properties/at-most-once.yaml --client fluvio --jobs 2
```

With seed 0 the first exploration ends after 5 examples with one record and one error code, after
which the client does not retry. The second one ends after 5 examples with an error code that the
client reports as success; that depends on timing, and its smallest scenario fails in most runs, not
in all. Both took 45 to 60 s, mostly for shrinking, which runs each candidate three times. The
scenarios above with the remark "Found by exploring" were found in the same way.

One counterexample depends on chance and has no scenario here: if a reset arrives while the client
writes, its producer stays broken under at-most-once, as it does under at-least-once. It happened in
1 of 12 runs of 20 records through one reset (`disconnect: {{at: request, how: rst, nth: 2}}`,
`send: {{count: 20}}`): every later `send` was refused, even with a healthy cluster.

### Past what is known

Both explorations end with the first defect, and the frequent ones hide the rest. With
[known.yaml](../{FOLDER}/known.yaml), which has the defects above, they go on and count these:

```
python -m chaos explore {FOLDER}/properties/at-least-once.yaml --client fluvio \
--known {FOLDER}/known.yaml --examples 100 --seed 2
python -m chaos explore {FOLDER}/properties/at-most-once.yaml --client fluvio \
--known {FOLDER}/known.yaml --examples 200
```

Examples in which a known defect showed: at-least-once with seeds 1 and 2, at-most-once with seeds
0 to 2.

| known defect | 194 at-least-once | 394 at-most-once |
|---|---|---|
| a request whose connection ends is given up without another attempt | 32 | |
| a producer whose connection ended in flight stays broken | 28 | 2 |
| an error code is never retried | 22 | |
| a flush ends well although an SPU answered with an error code | 19 | |
| under at-most-once an error code is reported as success | | 104 |

In 44 of the 194 and in 2 of the 394 examples the client did not answer a `flush` or a `wait` within
the four seconds of a step, so that these have no verdict, and the explorations are inconclusive.
Others failed in some of their runs only:

- At-least-once, new: a flush reports success although its records were given up. Resets took two
  connections while records of one flush were in flight; the flush ended well, and `wait` of five
  records then said "failed to get record metadata" (`flush-settles`).
- At-most-once: the producer that stays broken after a reset, described above (`unprovoked-loss`).

A property of its own has what the client waits for without end under at-most-once (`bounded`):

```
python -m chaos explore {FOLDER}/properties/at-most-once-silence.yaml --client fluvio \
--known {FOLDER}/known.yaml --examples 16
```

| known defect | 16 at-most-once |
|---|---|
| under at-most-once a missing answer is awaited for ever | 5 |
| under at-most-once a connection that is never greeted is awaited for ever | 6 |
| under at-most-once no other answer is read after one that comes twice | 3 |

Under at-least-once such a wait has no verdict, since the bound of the default policy (300 s) is far
behind the time limit of a step. Nor can a cause name a listener that is closed, or a step such as a
leader that moves: no fault strikes an exchange there.
"""

_SIDES: tuple[tuple[str, WorldName], ...] = ((OFFICIAL, "tcp"), (PRODUCER, "virtual"))
"""The drivers that are compared, each with its world."""

_TIMES = re.compile(r" *\d+\.\d+ (?:s|ms)\b")
_REQUESTS = re.compile(r"\(request \d+")


EPILOG = """\b
Example:
  python -m chaos.cli.trial docs/official-client.md --compare
      Check that the page is up to date.
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of one client in one scenario."""

    verdict: Verdict
    sentences: Sequence[tuple[str, str]]
    """The checks that found a broken promise, each with its first sentence."""
    reasons: Sequence[str]
    """The reasons for an inconclusive verdict."""
    figures: str
    narrative: Sequence[str]
    """The narrative of the first record."""


def tried(text: str, file: str, client: str, world: WorldName) -> Trial:
    """Run a scenario with a client and judge it.

    Args:
        text: the scenario as YAML.
        file: the path of the scenario, for messages.
        client: the name of the driver.
        world: the world of the run.
    """
    scenario = parse_scenario(text, file).scenario()
    history = run_scenario(scenario, world, driver_named(client).open)
    result = judge(history)
    counts = [f"{name} {result.figures[name]}" for name in FIGURES if result.figures[name]]
    return Trial(
        verdict=result.verdict,
        sentences=[(finding.check, finding.violations[0].text) for finding in result.broken],
        reasons=result.reasons,
        figures=", ".join(counts),
        narrative=Narrator(Evidence(history)).of(0).lines if history.records else (),
    )


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario with both results."""

    prop: Property
    theirs: Trial
    ours: Trial


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("page", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--compare", is_flag=True, help="Compare PAGE with new runs and write nothing.")
def main(page: Path, compare: bool) -> int:
    """Put the official client on trial and write PAGE.

    Status: 0 the page is up to date, 1 it is not, or our own producer broke a promise, 2 the
    official client cannot run here.
    """
    official = driver_named(OFFICIAL)
    if official.unavailable is not None:
        click.echo(f"trial: inconclusive: {official.unavailable}", err=True)
        return STATUS_NO_VERDICT
    sources, mistakes = gather([FOLDER])
    for mistake in mistakes:
        click.echo(mistake, err=True)
    if mistakes:
        return STATUS_NO_VERDICT
    cases = _run_all([source.prop for source in sources])
    for case in cases:
        click.echo(
            f"{case.prop.filename}: official client {case.theirs.verdict}, "
            f"our producer {case.ours.verdict}"
        )
    text = "\n".join(_page(cases))
    if not compare:
        page.write_text(text, encoding="utf-8")
    different = _differences(page, text)
    for line in different:
        click.echo(line, err=True)
    right = not different and all(case.ours.verdict == "valid" for case in cases)
    return STATUS_VALID if right else STATUS_INVALID


def _run_all(properties: Sequence[Property]) -> list[Case]:
    """Run every scenario with both clients."""
    tasks = [
        partial(tried, prop.text, prop.filename, client, world)
        for prop in properties
        for client, world in _SIDES
    ]
    trials: list[Trial] = []
    with (
        Terminal().progress("on trial", len(tasks)) as progress,
        WorkerPool(default_jobs()) as pool,
    ):
        for trial in pool.in_order(tasks):
            trials.append(trial)
            progress(len(trials))
    return list(map(Case, properties, trials[::2], trials[1::2]))


def _differences(page: Path, text: str) -> list[str]:
    try:
        written = page.read_text(encoding="utf-8")
    except OSError as error:
        return [f"trial: {page}: {(error.strerror or str(error)).lower()}"]
    return list(
        difflib.unified_diff(
            masked(written).splitlines(),
            masked(text).splitlines(),
            str(page),
            "new runs",
            lineterm="",
        )
    )


def masked(text: str) -> str:
    """Return a page without the parts that differ from run to run."""
    return _REQUESTS.sub("(request N", _TIMES.sub(" T", text))


# --- the page


def _page(cases: Sequence[Case]) -> Iterator[str]:
    yield INTRODUCTION
    yield "| scenario | official client | promises broken | our producer |"
    yield "|---|---|---|---|"
    for case in cases:
        name, theirs = case.prop.name, case.theirs
        broken = ", ".join(f"`{check}`" for check, _ in theirs.sentences)
        yield f"| [{name}](#{_anchor(name)}) | {theirs.verdict} | {broken} | {case.ours.verdict} |"
    for case in cases:
        yield from _section(case)
    yield ""
    yield EXPLORED


def _section(case: Case) -> Iterator[str]:
    file, theirs, ours = case.prop.filename, case.theirs, case.ours
    yield f"\n## {case.prop.name}\n"
    yield f"{str(case.prop.data.get('description', '')).strip()}\n"
    yield f"The official client: **{theirs.verdict}** ({theirs.figures}).\n"
    yield from (f"- `{check}`: {sentence}" for check, sentence in theirs.sentences)
    yield from (f"- {reason}" for reason in theirs.reasons)
    yield "\n```"
    yield from theirs.narrative
    yield "```\n"
    yield f"Our producer: {ours.verdict} ({ours.figures}).\n"
    yield "```"
    yield f"python -m chaos run {file} --client {OFFICIAL}"
    yield f"python -m chaos replay {file} --world virtual --all"
    yield "```"


def _anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", name.lower()).replace(" ", "-")


if __name__ == "__main__":
    sys.exit(main(standalone_mode=False))
