"""The nearest passing run: a failing scenario with as few faults left out as possible.

What a failing run did differently shows best beside a run that passes and is otherwise the same.
Faults keep their names, and draws depend on names, so that the faults that stay strike as before.
"""

from collections.abc import Iterator, Sequence

from chaos.history import History
from chaos.oracle.judge import judge
from chaos.search.counterexample import VIRTUAL

LEFT_OUT = "left_out"
"""The key of ``History.about`` with the names of the faults that were left out."""

RUNS_MAX = 12
"""The most runs of a search: each costs as much as the failing one."""

RECORDS_MAX = 10_000
"""The most records of a failing run beside which another one is searched, for the same reason."""


def nearest_passing(history: History) -> History | None:
    """Return a run that passes and has some faults fewer; None if none is found.

    The last fault is left out, then the one before it in its place, and so on; in the end all of
    them. Only runs of our producer in the virtual world can be repeated exactly.

    Args:
        history: a failing run, in the virtual world, of our producer.
    """
    if history.world != "virtual" or len(history.records) > RECORDS_MAX:
        return None
    scenario = history.requested or history.scenario
    for left_out in _candidates(len(scenario.faults)):
        faults = [fault for n, fault in enumerate(scenario.faults) if n not in left_out]
        run = VIRTUAL.run(scenario.model_copy(update={"faults": faults}))
        if judge(run, example=True).verdict == "valid":
            names = [scenario.faults[n].name for n in left_out]
            run.about = {LEFT_OUT: _in_words(names)}
            return run
    return None


def _candidates(count: int) -> Iterator[Sequence[int]]:
    if not count:
        return
    for n in range(count - 1, max(-1, count - RUNS_MAX), -1):
        yield (n,)
    if count > 1:
        yield range(count)


def _in_words(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"fault {names[0]}"
    return f"its {len(names)} faults"
