"""``python -m chaos.cli.conformance FOLDER``: recorded sessions of a real cluster against the
simulator.

Each recording of the folder that has a setup is replayed and compared. With ``--trim`` nothing is
compared: one recording is written without what a comparison leaves out.
"""

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from chaos.conformance.compare import Comparison, Difference
from chaos.conformance.documents import ConformanceFileError
from chaos.conformance.may_differ import MAY_DIFFER_FILE, MayDiffer, load_may_differ
from chaos.conformance.recording import RecordingError, load_recording, recording_lines
from chaos.conformance.session import SessionResult, Totals, compare_session, own_objects
from chaos.conformance.setup import load_setup, setup_path
from chaos.conformance.trim import trimmed
from chaos.report.scenario_report import STATUS_INVALID, STATUS_NO_VERDICT, STATUS_VALID
from wire.codec import WireError

EPILOG = """\b
Examples:
  python -m chaos.cli.conformance tests/golden/real
      Compare every session.
  python -m chaos.cli.conformance tests/golden/real admin produce
      Compare two of them.
  python -m chaos.cli.conformance tests/golden/real --trim recorded/admin.jsonl
      Take over a recording whose setup is in the folder.
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("names", nargs=-1, metavar="[SESSION]...")
@click.option("--trim", type=click.Path(path_type=Path, dir_okay=False), help="Trim a recording.")
def main(folder: Path, names: Sequence[str], trim: Path | None) -> int:
    """Compare the recorded sessions of FOLDER with the simulator.

    Status: 0 nothing differs but what the list allows; 1 something differs, an entry of the list
    excuses nothing, or a session is missing; 2 bad input.
    """
    try:
        if trim is not None:
            _trim(folder, trim)
            return STATUS_VALID
        paths = sorted(folder.glob("*.jsonl"))
        unknown = [name for name in names if name not in {path.stem for path in paths}]
        if unknown or not paths:
            raise RecordingError(f"no recording {', '.join(unknown)} in {folder}")
        may_differ = load_may_differ(folder / MAY_DIFFER_FILE)
        chosen = [path for path in paths if not names or path.stem in names]
        results = [compare_session(path, may_differ) for path in chosen]
    except (RecordingError, ConformanceFileError, WireError) as error:
        click.echo(str(error), err=True)
        return STATUS_NO_VERDICT
    totals = Totals(results, may_differ, complete=not names)
    for line in report(totals):
        click.echo(line)
    return STATUS_VALID if totals.passed else STATUS_INVALID


def _trim(folder: Path, source: Path) -> None:
    target = folder / source.name
    recording = load_recording(source)
    own = own_objects(recording, load_setup(setup_path(target)))
    text = "".join(f"{line}\n" for line in recording_lines(trimmed(recording, own)))
    target.write_text(text, encoding="utf-8")


def report(totals: Totals) -> Iterator[str]:
    """Yield the lines of the report: what differs, what is missing, and the sums."""
    yield from _different(totals.different)
    for entry in totals.idle:
        yield f"{MAY_DIFFER_FILE}: excuses nothing: {_named(entry)}"
    yield from _missing(totals.missing)
    frames, sessions, missing = totals.frames, len(totals.results), len(totals.missing)
    yield f"sessions {sessions}: compared {sessions - missing}, missing {missing}"
    yield (
        f"frames {sum(frames.values())}: equal {frames['equal']},"
        f" excused by {MAY_DIFFER_FILE} {frames['excused']}, different {frames['different']}"
    )


def _named(entry: MayDiffer) -> str:
    return " ".join(filter(None, (entry.session, entry.api, entry.field)))


def _different(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Yield each difference once, with the exchanges that have it."""
    places: dict[tuple[str, Difference], list[str]] = defaultdict(list)
    for each in comparisons:
        place = f"connection {each.connection}"
        if each.number:
            place += f" request {each.number}"
        for difference in each.unexcused:
            places[each.api, difference].append(f"{each.session} {place}")
    for (api, difference), found in places.items():
        yield (
            f"{api} {'.'.join(difference.path)}: real {difference.real},"
            f" simulated {difference.simulated}"
        )
        more = f", and {len(found) - 1} more" if len(found) > 1 else ""
        yield f"    {found[0]}{more}"


def _missing(results: Sequence[SessionResult]) -> Iterator[str]:
    for result in results:
        yield f"missing: {result.name} ({result.missing})"


if __name__ == "__main__":
    sys.exit(main(standalone_mode=False))
