"""Each rule of excuse is necessary: without it a client that keeps its promises is accused.

Every case is a real run in which the rule lets a record or a call off, and a patch that drops the
rule from the judge. With the rule the check does not accuse; without it, it does. The client is
ours, unchanged, but for three rules: it looks up each leader, gives up what is gone, or delivers
what comes twice.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from chaos.history import History
from chaos.mutants import MUTANTS, Mutant
from chaos.oracle.checks import CHECKS
from chaos.oracle.finding import ACROSS_DELETION
from chaos.oracle.frames.replicas import LOST_IN_ELECTION
from chaos.oracle.judge import judge
from chaos.world import world
from tests.chaos.oracle.checks.playing import (
    AT_MOST_ONCE,
    RETRY,
    measured_by,
    played,
)
from tests.chaos.oracle.consumptions import delivered_twice, read_before_the_leader_failed
from tests.chaos.oracle.dropping import dropped
from tests.chaos.oracle.elections import (
    LEADER_FAILS,
    passed_by_a_late_copy,
    unanswered,
    with_a_copy_kept,
)
from tests.chaos.oracle.endings import ended

NOTHING_TO_JUDGE = {
    ("flush-settles", "never-ended"),
    ("told-once", "no-other-source"),
    ("always", "no-such-figure"),
    ("no-loss", LOST_IN_ELECTION),
}
"""Rules that count what has nothing to be held against: no outcome of a flush, no other source, no
figure; a loss that is no loss of the client, which has an acknowledgement."""


class Case(NamedTuple):
    run: Callable[[], History]
    where: str
    before: str
    after: str = "pass"


# --- runs

DROP = {"drop": {"at": "request"}}
NO_ANSWER = {"drop": {"at": "response"}}
REFUSE = {"refuse": {"server": "spu"}}
TOO_LARGE = {"error": {"at": "request", "code": "MessageTooLarge"}}
SILENT_SC = {"drop": {"at": "response", "match": {"api": "watch"}, "between": ["3s", "99s"]}}
FULL = {"batch_size": 1, "batch_queue_size": 1}
"""One record waits to be sent; ``send`` of another one waits for room."""
SHORT = {"retry": {**RETRY, "timeout": "1s"}, "attempt_timeout": "1s"}
ONE_TRY = {"retry": {**RETRY, "max_retries": 0, "initial_delay": "10ms"}, "attempt_timeout": "1s"}
WAIT = ["send", "wait"]
BIG = [{"send": {"size": 2000}}]
SLOW = {"network": {"latency": "40ms"}, "producer": {**AT_MOST_ONCE, "response_timeout": "100ms"}}
"""A dial and its greeting take longer than a record may."""


def closed(**producer: Any) -> History:
    """Return a run that closes its producer while ``send`` waits for room."""
    steps = [{"concurrently": [[{"send": {"count": 4}}], [{"sleep": "10ms"}, "close"]]}]
    return played(REFUSE, workload=steps, producer={**FULL, **SHORT, **producer})


def cancelled_close(*faults: Any, **producer: Any) -> History:
    """Return a run that cancels the closing of its producer while a record is open."""
    steps = ["send", {"close": {"cancel_after": "10ms"}}]
    return played(*faults, workload=steps, producer=producer)


def cancelled(**producer: Any) -> History:
    """Return a run that cancels ``send`` while it waits for room."""
    steps = [{"send": {"count": 4, "cancel_after": "10ms"}}, "wait"]
    return played(REFUSE, workload=steps, producer={**FULL, **SHORT, **producer})


def full(fault: Any, **producer: Any) -> History:
    """Return a run with more senders than leave the queue while ``send`` may wait."""
    branches = [[{"send": {"count": 2}}], ["send"], ["send"]]
    steps = [{"concurrently": branches}, "wait"]
    return played(fault, workload=steps, producer={**FULL, **producer})


def looking_up() -> History:
    """Return a run of a client that asks the SC before every request, which ours does not: it knows
    each leader, or goes to the old one."""
    sc = {"refuse": {"server": "sc"}}
    steps = [{"cut": {"server": "sc"}}, {"sleep": "1s"}, *WAIT]
    with MUTANTS["asks-before-every-request"].applied():
        return played(sc, workload=steps, producer=AT_MOST_ONCE)


class GoneIsFinal(Mutant):
    """A topic that is gone ends the retries at once, which a client may do."""

    where = "producer.delivery.delivery:AtLeastOnce._failed"
    before = "return self._retry(dict.fromkeys(self._unsettled, error))"
    after = """
        self._give_up(tuple(self._unsettled), error)
        return Done()
    """


def giving_up_what_is_gone() -> History:
    """Return a run of a client that gives up what it sends to a topic that is gone; ours tries
    again until its policy is used up."""
    with GoneIsFinal.applied():
        return played(workload=[*WAIT, "delete_topic", {"sleep": "1s"}, *WAIT])


def moved(*steps: Any) -> History:
    """Return a run in which the SC does not tell the client of the new leader."""
    gone = [*WAIT, "stop_spu", {"sleep": "1ms"}, *WAIT, "start_spu", {"sleep": "4s"}]
    workload = [*gone, {"move_leader": {"to": 1}}, *steps]
    return played(SILENT_SC, workload=workload, cluster={"spus": 2}, producer=ONE_TRY)


def in_the_pause() -> History:
    """Return a run that is probed as soon after the healing as over tcp, in a pause between two
    dials."""
    steps = [{"send": {"count": 65, "pace": "20ms"}}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "SETTLE_VIRTUAL_S", world.SETTLE_TCP_S)
        options = {**AT_MOST_ONCE, "response_timeout": "100ms"}
        return played(REFUSE, workload=steps, producer=options)


def before_recovery() -> History:
    """Return a run that ends just after the listener opened, in a pause between two dials."""
    refuse = {"refuse": {"server": "spu", "between": ["0s", "500ms"]}}
    steps = [{"send": {"count": 50, "pace": "10ms"}}, {"sleep": "20ms"}, "send", {"sleep": "60ms"}]
    options = {**AT_MOST_ONCE, "batch_size": 1, "response_timeout": "50ms"}
    return played(refuse, workload=steps, producer=options)


def passed() -> History:
    refused = {"error": {"at": "request", "nth": 1, "code": "StorageError", "match": {"entry": 0}}}
    options = {"batch_size": 1, "linger": "10ms"}
    return played(refused, producer=options, workload=[{"send": {"count": 3}}, "wait"])


# --- rules

BUDGET = "attempts:RetryTimeline.unused_budget"
ATTEMPTS = BUDGET, "if made >= most:\n    return excused(USED_UP)"
TIMEOUT = BUDGET, "if left <= self.timing.slack:\n    return excused(USED_UP)"
FINAL = BUDGET, 'if self._is_final(group):\n    return excused("final-code")'
ENDED = (
    BUDGET,
    """
    if self._abandoned:
        return excused(CLIENT_ENDED)  # the client might have retried
    """,
)
REFUSALS = "calls:refusals"
NO_OUTCOME = "yield record, excused(gone)"
SEND_ENDED = REFUSALS, NO_OUTCOME, 'yield record, violated("") if gone == CLIENT_ENDED else JUDGED'
CANCELLED = REFUSALS, NO_OUTCOME, 'yield record, violated("") if gone == "cancelled" else JUDGED'
QUEUE_FULL = (
    REFUSALS,
    """
    if waited >= bound or evidence.transmissions[record.id]:
        yield record, excused("queue-full")
    elif record.call in large:
    """,
    "if record.call in large:",
)
LARGE = REFUSALS, "elif record.call in large:", "elif False:"
CLOSED = (
    REFUSALS,
    "elif record.outcome_at >= evidence.once(closings).begun(record.producer):",
    "elif False:",
)
CANCELLED_CLOSE = (
    BUDGET,
    'if self._closing.was_cancelled(group.producer, end):\n    return excused("closed")',
)
UNPROVOKED = "checks.unprovoked_loss"
ALIVE = "checks.alive_after_heal:_rule"
LOST = (
    "frames.replicas:ReplicaHistory.lost",
    "if offset is None or any(offset in offsets for offsets in ranges):",
    "if False:",
)


def without_cause(cause: str) -> tuple[str, str, str]:
    """Return the patch that makes the judge forget a cause that explains a loss."""
    loop = f'for cause in [cause for cause in CAUSES if cause != "{cause}"]:'
    return "blind_spots:BlindSpots.cause", "for cause in CAUSES:", loop


CASES: dict[tuple[str, str], list[Case]] = {
    ("acked-is-stored", LOST_IN_ELECTION): [Case(lambda: played(**LEADER_FAILS), *LOST)],
    ("offset-is-true", LOST_IN_ELECTION): [Case(with_a_copy_kept, *LOST)],
    ("order", LOST_IN_ELECTION): [Case(passed_by_a_late_copy, *LOST)],
    ("told-once", LOST_IN_ELECTION): [Case(lambda: played(**LEADER_FAILS), *LOST)],
    ("unprovoked-loss", LOST_IN_ELECTION): [
        Case(
            unanswered,
            "checks.unprovoked_loss:_ruling",
            "if any(map(elections.left_out, group.attempts)):",
            "if False:",
        )
    ],
    ("read-what-is-stored", LOST_IN_ELECTION): [
        Case(
            read_before_the_leader_failed,
            "frames.held:HeldLog.may_be_lost",
            "return any(offset in offsets for offsets in self.left_out)",
            "return False",
        )
    ],
    ("read-what-is-stored", "copied-by-the-network"): [
        Case(
            delivered_twice,
            "checks.read_what_is_stored:_Reading._follows",
            "if t >= self._copied_at:",
            "if False:",
        )
    ],
    ("no-loss", "policy-used-up"): [
        Case(lambda: played(DROP, workload=WAIT), *ATTEMPTS),
        Case(lambda: played(DROP, producer=SHORT, workload=WAIT), *TIMEOUT),
    ],
    ("no-loss", "final-code"): [Case(lambda: played(TOO_LARGE, workload=WAIT), *FINAL)],
    ("no-loss", "client-ended"): [
        Case(lambda: ended(DROP, workload=WAIT), *ENDED),
        Case(lambda: ended(DROP, workload=[{"send": {"count": 3}}], producer=FULL), *SEND_ENDED),
    ],
    ("no-loss", "closed"): [
        Case(closed, *CLOSED),
        Case(lambda: cancelled_close(DROP), *CANCELLED_CLOSE),
    ],
    ("no-loss", "cancelled"): [Case(cancelled, *CANCELLED)],
    ("no-loss", "queue-full"): [Case(lambda: full(DROP, **SHORT), *QUEUE_FULL)],
    ("no-loss", "too-large"): [
        Case(
            lambda: played(
                producer={"max_request_size": 1024}, workload=[{"send": {"size": 2000}}]
            ),
            *LARGE,
        )
    ],
    ("no-loss", ACROSS_DELETION): [
        Case(
            giving_up_what_is_gone,
            "finding:Violations.sees",
            "if self.excused_records and not self.excused_records.isdisjoint(ids):",
            "if False:",
        )
    ],
    ("unprovoked-loss", "request-lost"): [
        Case(
            lambda: played(DROP, producer=AT_MOST_ONCE, workload=WAIT),
            f"{UNPROVOKED}:_ruling",
            "if not _was_lost(evidence, view, transmission):",
            "if True:",
        )
    ],
    ("unprovoked-loss", "client-ended"): [
        Case(
            lambda: ended(workload=WAIT, producer={**AT_MOST_ONCE, "linger": "1s"}),
            f"{UNPROVOKED}:_unseen",
            "if group.outcome_at is None and abandoned:\n    return excused(CLIENT_ENDED)",
        ),
        Case(
            lambda: ended(
                REFUSE, workload=[{"send": {"count": 3}}], producer={**AT_MOST_ONCE, **FULL}
            ),
            *SEND_ENDED,
        ),
    ],
    ("unprovoked-loss", "spu-unreachable"): [
        Case(
            lambda: played(REFUSE, producer=AT_MOST_ONCE, workload=WAIT),
            *without_cause("spu-unreachable"),
        )
    ],
    ("unprovoked-loss", "sc-unreachable"): [Case(looking_up, *without_cause("sc-unreachable"))],
    ("unprovoked-loss", "lost-connection"): [
        Case(
            lambda: played(
                {"stall": {"at": "request", "nth": 1}},
                producer={**AT_MOST_ONCE, "batch_size": 1},
                workload=[{"send": {"count": 3, "pace": "10ms"}}, "wait"],
            ),
            *without_cause("lost-connection"),
        )
    ],
    ("unprovoked-loss", "too-slow"): [
        Case(
            lambda: played(**SLOW, workload=WAIT),
            "visibility:Visibility.hidden",
            "if self.timing.too_slow:\n    return TOO_SLOW",
        )
    ],
    ("unprovoked-loss", "closed"): [
        Case(lambda: closed(**AT_MOST_ONCE), *CLOSED),
        Case(
            lambda: played(
                workload=["send", {"close": {"cancel_after": "10ms"}}],
                network={"latency": "40ms"},
                producer={**AT_MOST_ONCE, "linger": "1s"},
            ),
            f"{UNPROVOKED}:_unseen",
            """
            if evidence.once(closings).was_cancelled(group.producer, end):
                return excused("closed")
            """,
        ),
    ],
    ("unprovoked-loss", "cancelled"): [Case(lambda: cancelled(**AT_MOST_ONCE), *CANCELLED)],
    ("unprovoked-loss", "queue-full"): [
        Case(lambda: full(REFUSE, **{**AT_MOST_ONCE, "response_timeout": "60s"}), *QUEUE_FULL)
    ],
    ("unprovoked-loss", "too-large"): [
        Case(
            lambda: played(
                producer={**AT_MOST_ONCE, "max_request_size": 1024},
                workload=BIG,
            ),
            *LARGE,
        )
    ],
    ("order", "passed-in-its-request"): [
        Case(
            passed, "checks.order:check", "if _was_passed(evidence, other, copies[0]):", "if False:"
        )
    ],
    ("retry-policy", "closed"): [Case(lambda: cancelled_close(NO_ANSWER), *CANCELLED_CLOSE)],
    ("retry-policy", "policy-used-up"): [
        Case(lambda: played(NO_ANSWER, workload=WAIT), *ATTEMPTS),
        Case(lambda: played(NO_ANSWER, producer=SHORT, workload=WAIT), *TIMEOUT),
    ],
    ("retry-policy", "final-code"): [
        Case(
            lambda: played(
                {"drop": {"at": "response", "nth": 1}},
                {"error": {"at": "request", "code": "MessageTooLarge", "nth": 2}},
                workload=WAIT,
            ),
            *FINAL,
        )
    ],
    ("retry-policy", "client-ended"): [Case(lambda: ended(NO_ANSWER, workload=WAIT), *ENDED)],
    ("bounded", "client-ended"): [
        Case(
            lambda: ended(DROP, workload=[{"send": {"count": 3}}], producer=FULL),
            "checks.bounded:_look_at_sends",
            "if evidence.history.crash is not None or short:",
            "if False:",
        )
    ],
    ("flush-settles", "cancelled"): [
        Case(
            lambda: played(DROP, workload=["send", {"flush": {"cancel_after": "10ms"}}, "wait"]),
            "checks.flush_settles:check",
            "if call.cancelled_at is not None:",
            "if False:",
        )
    ],
    ("flush-settles", "send-uncertain"): [
        Case(
            lambda: played(
                REFUSE,
                workload=[{"send_all": {"count": 4}}, "flush"],
                producer={**AT_MOST_ONCE, **FULL, "response_timeout": "60s"},
            ),
            "checks.flush_settles:_look_at_failure",
            "if not flush.certain:",
            "if False:",
        )
    ],
    ("alive-after-heal", "client-ended"): [
        Case(
            lambda: ended(workload=["flush"], network={"latency": "20ms"}),
            ALIVE,
            "if evidence.history.silent is not None:",
            "if False:",
        )
    ],
    ("alive-after-heal", "too-slow"): [
        Case(
            lambda: played(**SLOW, workload=WAIT),
            ALIVE,
            "if evidence.once(timing).is_too_slow(_held_s(evidence)):",
            "if False:",
        )
    ],
    ("alive-after-heal", "sc-unreachable"): [
        Case(moved, ALIVE, "if knew_no_leader(evidence, record):", "if False:")
    ],
    ("alive-after-heal", "dial-backoff"): [
        Case(
            in_the_pause,
            ALIVE,
            'return "dial-backoff" if _backed_off(evidence, record) else None',
            "return None",
        )
    ],
    ("recovers", "too-slow"): [
        Case(
            lambda: played(**SLOW, workload=[{"sleep": "1s"}, "send", {"sleep": "1s"}]),
            "checks.recovers:check",
            "if too_slow:",
            "if False:",
        )
    ],
    ("recovers", "no-quiet-interval"): [
        Case(
            before_recovery,
            "checks.recovers:_quiet",
            "recovered = began + recovery.after(last, first)",
            "recovered = began",
        )
    ],
    ("recovers", "sc-unreachable"): [
        Case(
            lambda: moved({"sleep": "10s"}, *WAIT, {"sleep": "100ms"}),
            "checks.recovers:_learned",
            "return (record.outcome_at or record.sent_at) + quiet.recovery",
            "return quiet.start",
        )
    ],
}


def test_every_rule_has_its_case() -> None:
    """What was open when its topic was deleted is let off everywhere; one check shows it."""
    rules = {(check.name, rule) for check in CHECKS.values() for rule in check.excuses}
    across = {(check, rule) for check, rule in rules if rule == ACROSS_DELETION}
    assert rules - across == (CASES.keys() | NOTHING_TO_JUDGE) - across
    assert across & CASES.keys()


@pytest.mark.parametrize(
    ("check", "rule", "case"),
    [(*named, case) for named, cases in CASES.items() for case in cases],
    ids=[f"{check}-{rule}-{n}" for check, rule in CASES for n in range(len(CASES[check, rule]))],
)
def test_without_the_rule_the_client_is_accused(check: str, rule: str, case: Case) -> None:
    history = case.run()
    assert history.defect is None
    result = judge(history)
    assert not [finding for finding in result.broken if finding.check == check]
    assert any(f.check == check and rule in f.excused for f in result.findings)
    with dropped(case.where, case.before, case.after).applied():
        assert check in [finding.check for finding in judge(history).broken]


@pytest.mark.parametrize("run", [lambda: played(**LEADER_FAILS), with_a_copy_kept])
def test_under_read_committed_an_election_lets_nothing_off(run: Callable[[], History]) -> None:
    promised = measured_by(run(), isolation="read-committed")
    result = judge(promised)
    assert not any(LOST_IN_ELECTION in finding.excused for finding in result.findings)
    assert {"acked-is-stored", "as-configured"} & {finding.check for finding in result.broken}
