"""``python -m chaos.cli.trial PAGE``: the official clients on trial, and the page about them.

Each scenario of a folder runs with each official client over tcp and with our producer in virtual
time. The page has the promises, the behaviour of the clients, and the commands that repeat it. With
``--compare`` the page is not written but compared with new runs: its text, verdicts and figures
must be the same. Ignored are times, request numbers, whether an outcome precedes its answer, and
whether the connections of a client that was ended outlive the faults, which depend on the machine;
and what the page says of a client that cannot run on this machine.

With ``--histories DIR`` the runs of the Python client that are not valid are stored below ``DIR``,
each with its page (``chaos.report.stored_histories``).
"""

import difflib
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from chaos.cli.conclude import complain
from chaos.cli.files import gather
from chaos.cli.terminal import Terminal
from chaos.drivers.driver import driver_named
from chaos.drivers.registry import OFFICIAL, OFFICIAL_NODE, OFFICIAL_RUST, PRODUCER
from chaos.history import Need
from chaos.oracle.evidence import Evidence
from chaos.oracle.judge import FIGURES, Verdict, judge
from chaos.report.narrative import Narrator
from chaos.report.run_directory import slug_of
from chaos.report.scenario_report import STATUS_INVALID, STATUS_NO_VERDICT, STATUS_VALID
from chaos.report.stored_histories import store, stored_form
from chaos.runner import run_scenario
from chaos.search.known import KNOWN_FILES
from chaos.search.pool import WorkerPool, default_jobs
from chaos.spec.loader import parse_scenario
from chaos.spec.property import Property
from chaos.spec.step import every_step
from chaos.spec.steps.consume import Consume
from chaos.world.world import WorldName

FOLDER = "scenarios/official-client"

HISTORIES = "official-client"
"""The folder of the stored histories, beside the page."""

INTRODUCTION = f"""\
# The official clients on trial

`make trial` runs every scenario in [{FOLDER}](../{FOLDER}) with the official clients over real
sockets, and with the producer of this project in virtual time, and compares the results with this
page, which is generated. They are the Python client (`fluvio==0.21.0`, which is the Rust client
0.17.3), the Rust client (`fluvio = "=0.50.1"`), which `make rust` builds, and the Node client
(`@fluvio/client@0.14.9`, an older Rust client), which `make node` installs. Where one of them is
missing, its verdicts are not compared, and the last line says so.

All clients wait one second for an answer (`FLV_SOCKET_WAIT=1`; the default is 60), so that runs
take seconds and not minutes. The scenarios under at-least-once have the retry policy of Fluvio's
documentation: five retries after 10 ms, 100 ms, 1 s, 2 s and 2 s, 10 s in all. The Python and Node
clients have no option for it and use Fluvio's default one: four retries after 20 ms, 400 ms, 8 s
and 160 s, 300 s in all. Each client is judged by the policy that it has. The Node client has no
options at all, so that at-most-once is not tried, and it tells no outcome of a record: a flush that
succeeds acknowledges all records before it.

The scenarios with the step `consume` read with the consumer of the client (`consumer_with_config`),
which is not tried for the Node client; beside our producer reads the small consumer of the harness.

*invalid* means that a promise was broken, and the checks name it (`python -m chaos list` describes
each check). *inconclusive* means that the client did not answer within the time limit of a step and
was ended: the outcomes of its open records are *unknown*, and the time limit of the promise was not
over.

A producer of the Rust client whose connection ended in flight, or whose policy was used up, refuses
every later record until the application calls `clear_errors()`. The examples of the documentation
do not call it, and neither does the client on trial. With a call before each record, later records
are delivered (`alive-after-heal`); what was in flight is still given up (`no-loss`,
`retry-policy`).

Each run of the Python client that is not valid has a page of its own, to be opened in a browser:
the cause in one sentence, and one record drawn in space and time. The page is made from a stored
history of another run than the one below, in the folder [{HISTORIES}]({HISTORIES}): its times and
request numbers differ. `make docs` writes the pages again from the histories, without the client.
"""

EXPLORED = f"""\
## Exploring them

Two properties vary everything at once, and `explore` searches for broken promises; those of the
other clients with `--client fluvio-rust` and, at-least-once only, `--client fluvio-node`:

```
python -m chaos explore {FOLDER}/properties/at-least-once.yaml --client fluvio --jobs 2
python -m chaos explore {FOLDER}/properties/at-most-once.yaml --client fluvio --jobs 2
```

With seed 0 the first exploration ends after 5 examples with one record and one error code, after
which the client does not retry. The second one ends after 5 examples with an error code that the
client reports as success; that depends on timing, and its smallest scenario fails in most runs, not
in all. Each took 40 to 60 s, mostly for shrinking, which runs each candidate three times. The
scenarios above with the remark "Found by exploring" were found in the same way.

One counterexample depends on chance and has no scenario here: if a reset arrives while the Python
client writes, its producer stays broken under at-most-once, as it does under at-least-once. It
happened in 1 of 12 runs of 20 records through one reset (`disconnect: {{at: request, how: rst, nth:
2}}`, `send: {{count: 20}}`): every later `send` was refused, even with a healthy cluster.

### Past what is known

Both explorations end with the first defect, and the frequent ones hide the rest. With the file of a
client's known defects, [known.fluvio.yaml](../{FOLDER}/known.fluvio.yaml),
[known.fluvio-rust.yaml](../{FOLDER}/known.fluvio-rust.yaml) or
[known.fluvio-node.yaml](../{FOLDER}/known.fluvio-node.yaml), they go on and count these:

```
python -m chaos explore {FOLDER}/properties/at-least-once.yaml --client fluvio-rust \
--known {FOLDER}/known.fluvio-rust.yaml --examples 100 --seed 2
python -m chaos explore {FOLDER}/properties/at-most-once.yaml --client fluvio-rust \
--known {FOLDER}/known.fluvio-rust.yaml --examples 200
```

Examples in which a known defect showed: at-least-once with seeds 1 and 2, at-most-once with seeds
0 to 2 (Python) and 0 and 1 (Rust).

| known defect | Python: 194 at-least-once | 394 at-most-once | Rust: 200 at-least-once | \
400 at-most-once | Node: 182 at-least-once |
|---|---|---|---|---|---|
| a request whose connection ends is given up without another attempt | 32 | | 34 | | 20 |
| a producer whose connection ended in flight stays broken | 28 | 2 | 34 | 4 | 22 |
| a producer whose retry policy was used up stays broken | | | 6 | | |
| an error code is never retried | 22 | | 18 | | 1 |
| a flush ends well although an SPU answered with an error code | 19 | | 14 | | 22 |
| a flush ends well although its records were given up with their connection | | | 2 | | 2 |
| a producer that received the code PartitionFull, unknown to it, stays broken | | | | | 2 |
| under at-most-once an error code is reported as success | | 104 | | 111 | |

In 44 of the 194 and in 2 of the 394 examples the Python client did not answer a `flush` or a `wait`
within the four seconds of a step; the Rust client in 44 of the 200 and in 3 of the 400; the Node
client in 36 of the 182. These have no verdict, and the explorations are inconclusive. Others of the
Python client failed in some of their runs only:

- At-least-once: a flush reports success although its records were given up. Resets took two
  connections while records of one flush were in flight; the flush ended well, and `wait` of five
  records then said "failed to get record metadata" (`flush-settles`).
- At-most-once: the producer that stays broken after a reset, described above (`unprovoked-loss`).

A property of its own has what the Python and Rust clients wait for without end under at-most-once
(`bounded`):

```
python -m chaos explore {FOLDER}/properties/at-most-once-silence.yaml --client fluvio \
--known {FOLDER}/known.fluvio.yaml --examples 16
```

| known defect | Python: 16 at-most-once | Rust: 16 at-most-once |
|---|---|---|
| under at-most-once a missing answer is awaited for ever | 5 | 6 |
| a connection that is never greeted is awaited for ever | 6 | 6 |
| under at-most-once no other answer is read after one that comes twice | 3 | 2 |

Under at-least-once such a wait of the Python and Node clients has no verdict, since the bound of
the default policy (300 s) is far behind the time limit of a step. Nor can a cause name a listener
that is closed, a step such as a leader that moves, or the `max_bytes` of a consumer: no fault
strikes an exchange there.
"""

TITLES: Mapping[str, str] = {
    OFFICIAL: "Python client",
    OFFICIAL_RUST: "Rust client",
    OFFICIAL_NODE: "Node client",
}
"""The clients on trial, by the names of their drivers."""

OURS = "our producer"

_TIMES = re.compile(r" *\d+\.\d+ (?:s|ms)\b")
_REQUESTS = re.compile(r"\(request \d+")
_SETTLED = re.compile(
    r"^( T  (?:acknowledged|reported failed).*\n)( T  answered.*\n)", re.MULTILINE
)
"""What the client tells of a record can arrive before the event of the SPU's answer is recorded."""
_LIFTED = re.compile(
    r"^( T  all faults lifted\n)((?: T  connection \d+ ended: closed by the client\n)+)",
    re.MULTILINE,
)
"""A client that does not answer is ended just before the faults are lifted; its connections end
when the servers see it."""


EPILOG = """\b
Example:
  python -m chaos.cli.trial docs/official-client.md --compare
      Check that the page is up to date.
  python -m chaos.cli.trial docs/official-client.md --compare --histories docs/official-client
      Store new histories of the Python client, too.
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
    history: str = ""
    """The history as it is stored; empty of a valid run."""


def tried(text: str, file: str, client: str, world: WorldName) -> Trial | None:
    """Run a scenario with a client and judge it; None if the client lacks the delivery semantic, or
    cannot consume as the scenario does.

    Args:
        text: the scenario as YAML.
        file: the path of the scenario, for messages.
        client: the name of the driver.
        world: the world of the run.
    """
    scenario = parse_scenario(text, file).scenario()
    history = run_scenario(scenario, world, driver_named(client).open)
    if history.scenario.producer.delivery_semantic != scenario.producer.delivery_semantic:
        return None
    if Need.CONSUME in history.lacks and any(
        isinstance(step, Consume) for step in every_step(scenario.workload)
    ):
        return None
    result = judge(history)
    counts = [f"{name} {result.figures[name]}" for name in FIGURES if result.figures[name]]
    return Trial(
        verdict=result.verdict,
        sentences=[(finding.check, finding.violations[0].text) for finding in result.broken],
        reasons=result.reasons,
        figures=", ".join(counts),
        narrative=Narrator(Evidence(history)).of(0).lines if history.records else (),
        history="" if result.verdict == "valid" else stored_form(history, _about(file, client)),
    )


def _about(file: str, client: str) -> dict[str, str]:
    return {"file": file, "client": client, "command": _command(file, client)}


def _command(file: str, client: str) -> str:
    return f"python -m chaos run {file} --client {client}"


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario with all results."""

    prop: Property
    theirs: Mapping[str, Trial | None]
    """By the names of the drivers that can run here; None for a client that cannot do what the
    scenario is about."""
    ours: Trial


def scenario_files(root: Path = Path()) -> list[str]:
    """Return the scenarios of the trial; the properties below their folder are explored.

    Args:
        root: the directory of the project.
    """
    files = sorted((root / FOLDER).glob("*.yaml"))
    return [str(file) for file in files if not file.match(KNOWN_FILES)]


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("page", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--compare", is_flag=True, help="Compare PAGE with new runs instead of writing it.")
@click.option(
    "--histories",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Replace the histories of the Python client in DIR, and their pages.",
)
def main(page: Path, compare: bool, histories: Path | None) -> int:
    """Put the official clients on trial and write PAGE.

    Status: 0 the page is up to date, 1 it is not, or our own producer broke a promise, 2 no
    official client can run here, or one of them cannot whose results are to be written.
    """
    absent = {name: why for name in TITLES if (why := driver_named(name).unavailable) is not None}
    lacking = (absent and not compare) or (histories is not None and OFFICIAL in absent)
    if len(absent) == len(TITLES) or lacking:
        click.echo(f"trial: inconclusive: {'; '.join(absent.values())}", err=True)
        return STATUS_NO_VERDICT
    sources, bad = gather(scenario_files())
    complain(bad)
    if bad:
        return STATUS_NO_VERDICT
    present = [name for name in TITLES if name not in absent]
    cases = _run_all([source.prop for source in sources], present)
    for case in cases:
        verdicts = [
            f"{TITLES[name]} {trial.verdict}" for name, trial in case.theirs.items() if trial
        ]
        click.echo(f"{case.prop.filename}: {', '.join(verdicts)}, {OURS} {case.ours.verdict}")
    text = "\n".join(_page(cases))
    if not compare:
        page.write_text(text, encoding="utf-8")
    if histories is not None:
        store(histories, _histories(cases))
    different = _differences(page, text, absent)
    for line in different:
        click.echo(line, err=True)
    for name, why in absent.items():
        click.echo(f"trial: the verdicts on the {TITLES[name]} were not compared: {why}", err=True)
    right = not different and all(case.ours.verdict == "valid" for case in cases)
    return STATUS_VALID if right else STATUS_INVALID


def _run_all(properties: Sequence[Property], names: Sequence[str]) -> list[Case]:
    """Run every scenario with the official clients and our producer."""
    sides: list[tuple[str, WorldName]] = [(name, "tcp") for name in names]
    sides.append((PRODUCER, "virtual"))
    tasks = [
        partial(tried, prop.text, prop.filename, client, world)
        for prop in properties
        for client, world in sides
    ]
    trials: list[Trial | None] = []
    with (
        Terminal().progress("on trial", len(tasks), "run") as progress,
        WorkerPool(default_jobs()) as pool,
    ):
        for trial in pool.in_order(tasks):
            trials.append(trial)
            progress.reached(len(trials))
    cases = []
    for n, prop in enumerate(properties):
        *theirs, ours = trials[n * len(sides) : (n + 1) * len(sides)]
        assert ours is not None, "our producer has every delivery semantic"
        cases.append(Case(prop, dict(zip(names, theirs, strict=True)), ours))
    return cases


def _histories(cases: Sequence[Case]) -> dict[str, str]:
    trials = {slug_of(case.prop.filename): case.theirs[OFFICIAL] for case in cases}
    return {slug: trial.history for slug, trial in trials.items() if trial and trial.history}


def _differences(page: Path, text: str, absent: Collection[str]) -> list[str]:
    try:
        written = page.read_text(encoding="utf-8")
    except OSError as error:
        return [f"trial: {page}: {(error.strerror or str(error)).lower()}"]
    return list(
        difflib.unified_diff(
            masked(without(written, absent)).splitlines(),
            masked(text).splitlines(),
            str(page),
            "new runs",
            lineterm="",
        )
    )


def without(text: str, clients: Collection[str]) -> str:
    """Return a page without the verdicts on some clients.

    Args:
        text: the page.
        clients: the names of their drivers.
    """
    for title in map(TITLES.__getitem__, clients):
        text = re.sub(rf"^The {title}: \*\*.*?(?={_BLOCK})", "", text, flags=re.M | re.S)
        head, section, rest = text.partition("\n## ")
        rows = [line.split("|") for line in head.split("\n")]
        column = next((row.index(f" {title} ") for row in rows if f" {title} " in row), None)
        if column is not None:
            for row in rows:
                del row[column : column + 1]
        text = "\n".join(map("|".join, rows)) + section + rest
    return text


_BLOCK = rf"^(?:The (?:{'|'.join(TITLES.values())}): \*\*|{OURS.capitalize()}: )"
"""The beginning of what a section says of one client."""


def masked(text: str) -> str:
    """Return a page without the parts that differ from run to run."""
    text = _REQUESTS.sub("(request N", _TIMES.sub(" T", text))
    return _LIFTED.sub(r"\2\1", _SETTLED.sub(r"\2\1", text))


# --- the page


def _page(cases: Sequence[Case]) -> Iterator[str]:
    yield INTRODUCTION
    titles = ["scenario", *(TITLES[name] for name in cases[0].theirs), OURS]
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    for case in cases:
        name = case.prop.name
        verdicts = (_cell(trial) for trial in (*case.theirs.values(), case.ours))
        yield f"| [{name}](#{_anchor(name)}) | {' | '.join(verdicts)} |"
    for case in cases:
        yield from _section(case)
    yield ""
    yield EXPLORED


def _cell(trial: Trial | None) -> str:
    if trial is None:
        return "not tried"
    broken = ", ".join(f"`{check}`" for check, _ in trial.sentences)
    return f"{trial.verdict}: {broken}" if broken else trial.verdict


def _section(case: Case) -> Iterator[str]:
    file = case.prop.filename
    yield f"\n## {case.prop.name}\n"
    yield f"{str(case.prop.data.get('description', '')).strip()}\n"
    for name, theirs in case.theirs.items():
        if theirs is None:
            continue
        yield f"The {TITLES[name]}: **{theirs.verdict}** ({theirs.figures}).\n"
        yield from (f"- `{check}`: {sentence}" for check, sentence in theirs.sentences)
        yield from (f"- {reason}" for reason in theirs.reasons)
        yield "\n```"
        yield from theirs.narrative
        yield "```\n"
        if name == OFFICIAL and theirs.verdict != "valid":
            place = f"{HISTORIES}/{slug_of(file)}"
            yield f"[Such a run as a page]({place}.html), made from [its history]({place}.jsonl).\n"
    yield f"{OURS.capitalize()}: {case.ours.verdict} ({case.ours.figures}).\n"
    yield "```"
    for name in TITLES:
        yield _command(file, name)
    yield f"python -m chaos replay {file} --world virtual --all"
    yield "```"


def _anchor(name: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", name.lower()).replace(" ", "-")


if __name__ == "__main__":
    sys.exit(main(standalone_mode=False))
