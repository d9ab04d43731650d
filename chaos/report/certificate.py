"""The page of a certificate, and the table of several, as Markdown.

A page depends on the runs alone: it has no seconds, versions or names of machines, so that the same
code gives the same page everywhere.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from chaos.report.phrases import counted, joined
from chaos.search.certify import Certificate, Row
from chaos.search.placements import BEFORE
from simulator.documents.emitter import to_yaml
from simulator.faults.model import FAULTS

ROWS_MAX = 100
"""The most placements that a page lists one by one, of a client that is not ours."""

POWER: Final = (
    "`python -m chaos.report.power` lists the mutants of the zoo that the placements of files "
    "catch; `docs/certificates/power.md` does for the certificates of this project."
)

HASH: Final = (
    "SHA-256 of the sorted list of seed, placement, verdict, frames, outcomes and final logs."
)


def claim(done: Certificate) -> str:
    """Return what a certificate says, in one sentence."""
    semantic = done.prop.data.get("producer", {}).get("delivery_semantic", "at-least-once")
    letters = f"up to {counted(done.bound.faults, 'letter')} of the alphabet {_alphabet(done)}"
    verdicts, runs = done.verdicts, counted(len(done.rows), "run")
    where = f"{semantic} in `{done.prop.name}`, client `{done.stage.client}`"
    if verdicts["invalid"]:
        first = next(row for row in done.rows if row.verdict == "invalid")
        placed = counted(len(first.placement), "letter")
        checks = joined([f"`{check}`" for check in first.broken])
        return (
            f"A placement of {placed} of the alphabet {_alphabet(done)} breaks {checks} of {where}"
            f" ({verdicts['invalid']:,} of {runs})."
        )
    rest = f"{verdicts['valid']:,} of {runs} are valid"
    if verdicts["inconclusive"]:
        rest += f" and {verdicts['inconclusive']:,} have no verdict"
    return f"No placement of {letters} breaks a promise of {where}: {rest}."


def page(done: Certificate, *, every_placement: bool = False) -> str:
    """Return the page of a certificate.

    Args:
        done: the certificate.
        every_placement: whether the page says of each placement what it did.
    """
    parts = [f"# Certificate: {done.prop.name}", claim(done), *_bound(done), *_denominators(done)]
    parts += [*_not_covered(done), *_nearest_miss(done)]
    parts += ["## Power", POWER]
    if every_placement:
        parts += ["## Every placement", _placements(done.rows)]
    if done.stage.world == "virtual":  # with real sockets another run may differ
        parts += ["## Hash", f"`{done.digest}`", HASH]
    return "\n\n".join(parts) + "\n"


def index(certificates: Sequence[tuple[str, Certificate]]) -> str:
    """Return the table of several certificates.

    Args:
        certificates: each with the name of its page.
    """
    rows = [
        "| certificate | letters | placements | runs | valid | no verdict | invalid | hollow |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, done in certificates:
        verdicts = done.verdicts
        cells = (
            f"[{done.prop.name}]({name})",
            f"up to {done.bound.faults} of {_alphabet(done)}",
            f"{sum(bool(row.placement) for row in done.rows):,}",
            f"{len(done.rows):,}",
            *(f"{verdicts[word]:,}" for word in ("valid", "inconclusive", "invalid")),
            f"{done.hollow:,}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    total = sum(len(done.rows) for _, done in certificates)
    return "# Certificates\n\n" + "\n".join(rows) + f"\n\n{counted(total, 'run')} in all.\n"


def _alphabet(done: Certificate) -> str:
    return f"`{done.bound.alphabet.name}`"


def _bound(done: Certificate) -> Iterator[str]:
    bound = done.bound
    yield "## The bound"
    yield "The scenario:"
    yield _yaml({key: value for key, value in done.prop.data.items() if key != "description"})
    yield f"The alphabet {_alphabet(done)}:"
    yield f"```yaml\n{bound.alphabet.text.rstrip()}\n```"
    yield "\n".join(
        [
            f"- Letters in a placement: up to {bound.faults}, in the order of their points.",
            "- Cut points: request and response, where the kind and its keys allow both.",
            f"- Exchanges: {'every API' if bound.all_apis else 'produce, or as a letter says'}.",
            f"- Schedules: {bound.schedules}, from seed {done.prop.data.get('seed', 0)} on.",
            f"- World and client: {done.stage.world}, `{done.stage.client}`.",
        ]
    )


def denominators(done: Certificate) -> dict[str, int]:
    """Return the numbers without which a certificate says nothing."""
    sizes = Counter(len(row.placement) for row in done.rows)
    verdicts = done.verdicts
    return {
        "ways to place one letter": done.first_letters,
        **{
            f"placements of {counted(size, 'letter')}": sizes[size]
            for size in sorted(sizes)
            if size
        },
        "runs": len(done.rows),
        "faults that fired": sum(row.fired for row in done.rows),
        "runs in which a placed fault did not fire (hollow)": done.hollow,
        "runs that differ in frames, outcomes or logs": done.distinct,
        "valid": verdicts["valid"],
        "no verdict": verdicts["inconclusive"],
        "invalid": verdicts["invalid"],
    }


def _denominators(done: Certificate) -> Iterator[str]:
    yield "## Denominators"
    rows = [f"| {what} | {figure:,} |" for what, figure in denominators(done).items()]
    yield "\n".join(["| what | number |", "|---|---|", *rows])
    why = Counter(reason for row in done.rows for reason in row.reasons)
    if why:
        yield "No verdict, because:"
        yield "\n".join(f"- {reason} ({counted(times, 'run')})" for reason, times in why.items())


def _not_covered(done: Certificate) -> Iterator[str]:
    bound = done.bound
    kinds = {letter.kind for letter in bound.alphabet.faults}
    missing = [f"`{kind}`" for kind in FAULTS if kind not in kinds]
    yield "## Not covered"
    lines = [
        f"more than {counted(bound.faults, 'letter')}, or other values of their keys",
        "two letters at one injection point",
        "faults before the client is connected, or after healing",
        "other workloads, policies and clusters",
    ]
    if missing:
        lines.append(f"the kinds {joined(missing)}")
    if not bound.all_apis:
        lines.append("greetings, watches and look-ups (`--api all`)")
    if not bound.alphabet.steps:
        lines.append("changes of the cluster (`steps` of an alphabet)")
    else:
        lines.append("changes of the cluster inside a step")
    if done.left_out:
        letters = "; ".join(_steps(steps) for steps in done.left_out)
        lines.append(f"letters that this scenario cannot have, which were not placed: {letters}")
    lines.append(f"orders of tasks other than {bound.schedules} (`--schedules`)")
    yield "\n".join(f"- {line}" for line in lines)


def _nearest_miss(done: Certificate) -> Iterator[str]:
    nearest = max(done.rows, key=lambda row: row.requests)
    yield "## Nearest miss"
    yield (
        f"The placement with the most produce requests, {nearest.requests:,}: {_sentence(nearest)}."
        f" The outcomes are {', '.join(nearest.outcomes)}; the last ones are of probes."
    )


def _placements(rows: Sequence[Row]) -> str:
    lines = ["| placement | verdict | requests | outcomes | stored |", "|---|---|---|---|---|"]
    for row in rows[:ROWS_MAX]:
        why = ", ".join(row.broken or row.reasons)
        verdict = f"{row.verdict}: {why}" if why else row.verdict
        logs = "; ".join(f"{p}: {', '.join(map(str, log))}" for p, log in row.logs.items())
        outcomes = ", ".join(row.outcomes)
        lines.append(f"| {_sentence(row)} | {verdict} | {row.requests} | {outcomes} | {logs} |")
    return "\n".join(lines)


def _sentence(row: Row) -> str:
    """Return a placement on one line."""
    words = []
    for letter in row.placement:
        if BEFORE in letter:
            words.append(f"{_steps(letter['steps'])} before step {letter[BEFORE] + 1}")
        else:
            words.append(_short(letter))
    return ", then ".join(words) or "none"


def _steps(steps: Sequence[Any]) -> str:
    return ", ".join(map(_short, steps))


def _short(letter: Any) -> str:
    return f"`{to_yaml({'-': [letter]}).partition('- ')[2].strip()}`"


def _yaml(data: Any) -> str:
    return f"```yaml\n{to_yaml(data).rstrip()}\n```"
