"""Runs with consumers that only a rule of excuse lets off."""

from chaos.history import History
from chaos.mutants import MUTANTS
from tests.chaos.oracle.checks.playing import played
from tests.chaos.oracle.elections import LEADER_FAILS


def read_before_the_leader_failed() -> History:
    """Return a run in which a consumer reads what an election leaves out later."""
    steps = [*LEADER_FAILS["workload"]]
    steps.insert(steps.index("fail_leader"), "consume")
    return played(**{**LEADER_FAILS, "workload": steps})


def delivered_twice() -> History:
    """Return a run of a consumer that delivers every response, also a copy that the network made,
    which ours does not."""
    copy = {"duplicate": {"at": "response", "match": {"api": "stream-fetch"}}}
    with MUTANTS["ignores-the-offset-inside-a-batch"].applied():
        return played(copy, workload=["send", "wait", {"consume": {"count": 2}}])
