"""``spu-chaos replay``: run one scenario again and print the narratives of its records."""

import shlex
from pathlib import Path

import click

from chaos.cli.conclude import complain, complain_of
from chaos.cli.files import Source, gather, not_there
from chaos.cli.options import client_option, html_option, perfetto_option, world_option
from chaos.cli.tasks import judged, passing_beside
from chaos.cli.terminal import Interrupted, Terminal, interruptible
from chaos.drivers.driver import Driver
from chaos.drivers.registry import PRODUCER
from chaos.history import History
from chaos.oracle.evidence import Evidence
from chaos.oracle.judge import Result, judge
from chaos.report.html.story import write_story
from chaos.report.narrative import Narrator, is_remarkable
from chaos.report.run_directory import saved_history, scenario_of, write_trace
from chaos.report.scenario_report import (
    STATUS_INTERRUPTED,
    STATUS_NO_VERDICT,
    ScenarioReport,
    status_of,
)
from chaos.report.summary import narrative_lines, summary
from chaos.report.table import STYLES
from chaos.runner import run_scenario
from chaos.world.gc_pause import gc_paused
from chaos.world.world import WorldName

EPILOG = """\b
Examples:
  spu-chaos replay .chaos/at-least-once-reset-at-answer-virtual
      Run a kept failure again, and print the narratives of the records concerned.
  spu-chaos replay scenarios/at-least-once-reset-at-answer.yaml --world virtual --all
      Print the narrative of every record of a scenario.
"""


@click.command("replay", epilog=EPILOG)
@click.argument("file", metavar="FILE|RUN_DIR")
@world_option
@client_option
@click.option("--all", "everything", is_flag=True, help="Print the narrative of every record.")
@perfetto_option
@html_option
def replay_command(
    file: str,
    world: WorldName | None,
    client: Driver,
    everything: bool,
    perfetto: Path | None,
    html: Path | None,
) -> int:
    """Run one scenario again and print narratives of its records.

    The narratives are those of the records of broken promises; if no promise was broken, those of
    the records that were lost, duplicated, struck by a fault or not acknowledged. In virtual time
    the run is the same to the byte; if its history is kept beside FILE, the two are compared.

    Status: as for run.
    """
    path = scenario_of(Path(file))
    sources, bad = gather([str(path)])
    complain(bad)
    if bad:
        return STATUS_NO_VERDICT
    (source,) = sources
    if not source.prop.concrete:
        complain_of(f"{path}: a property is many runs; python -m chaos explore {path} runs them")
        return STATUS_NO_VERDICT
    worlds = source.worlds(world, client, explored=False)
    if not worlds:
        complain_of(not_there(source, world, client))
        return STATUS_NO_VERDICT
    if perfetto is not None and len(worlds) > 1:
        raise click.UsageError("--perfetto: a trace holds one run; name its world with --world")
    if html is not None and len(worlds) > 1:
        raise click.UsageError("--html: a page explains one run; name its world with --world")
    terminal = Terminal()
    reports: list[ScenarioReport] = []
    try:
        with interruptible():
            terminal.say(f"seed {source.seed}")
            for each in worlds:
                report = _replay(terminal, source, each, client, everything, perfetto, html)
                reports.append(report)
    except Interrupted:
        terminal.say()
        terminal.say(f"interrupted in the world {worlds[min(len(reports), len(worlds) - 1)]}")
        return STATUS_INTERRUPTED
    return status_of(reports)


def _replay(
    terminal: Terminal,
    source: Source,
    world: WorldName,
    client: Driver,
    everything: bool,
    perfetto: Path | None,
    html: Path | None,
) -> ScenarioReport:
    scenario = source.prop.scenario()
    history = run_scenario(scenario, world, client.open)
    with gc_paused():  # the collector would traverse little but the history
        result = judge(history)
    if perfetto is not None:
        write_trace(perfetto, history)
    if html is not None:
        words = ["python", "-m", "chaos", "replay", source.file, "--world", world]
        words += [] if client.name == PRODUCER else ["--client", client.name]
        history.about = {
            "file": source.file,
            "client": client.name,
            "command": shlex.join(words),
        }
        write_story(html, history, result, passing_beside(history, result))
    blank = ScenarioReport(scenario.name, source.file, world, scenario.seed, client.name)
    report = judged(blank, history, result, narratives_max=0)
    terminal.say()
    terminal.say_all(summary(report, full=True), STYLES[report.verdict])
    note = _compared(Path(source.file), world, history)
    if note:
        terminal.say(f"  {note}")
    evidence = Evidence(history)
    narratives = Narrator(evidence)
    for record_id in _concerned(evidence, result, everything=everything):
        terminal.say_all(narrative_lines([narratives.of(record_id)], full=True))
    return report


def _compared(path: Path, world: WorldName, history: History) -> str:
    """Return a note on whether a run equals the kept one; empty if there is none to compare."""
    kept = saved_history(path)
    if kept is None or world != "virtual":
        return ""
    # The first line holds data about the kept run, the others hold the history.
    if kept.partition("\n")[2] == history.dumps().partition("\n")[2]:
        return "the same run as the kept one, byte for byte"
    return "not the same run as the kept one: the code has changed since"


def _concerned(evidence: Evidence, result: Result, *, everything: bool) -> list[int]:
    """Return the ids of the records whose narratives are printed."""
    if everything:
        return [record.id for record in evidence.records]
    broken = {i for finding in result.broken for v in finding.violations for i in v.records}
    return sorted(broken) or [r.id for r in evidence.records if is_remarkable(evidence, r)]
