"""A defect just beside a blind spot is seen: on another server or partition, or at another time.

The defect is the mutant that makes one attempt fewer than its policy allows. All but the last of
the allowed attempts are lost, so that the defect loses the record.
"""

from typing import Any

import pytest

from chaos.mutants import MUTANTS
from chaos.oracle.checks import Finding
from chaos.oracle.evidence import Evidence
from chaos.oracle.judge import Result, judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario
from simulator.events import ExchangeEvent
from tests.chaos.oracle.checks.playing import AT_MOST_ONCE, played, without

PRODUCER = {
    "attempt_timeout": "400ms",
    "retry": {
        "max_retries": 3,
        "initial_delay": "10ms",
        "timeout": "60s",
        "strategy": "fixed-delay",
    },
}
LOST = {"drop": {"at": "request", "nth": [1, 2, 3], "match": {"partition": 0}}}
SEND = [{"send": {"keys": 1}}, "flush", {"sleep": "5s"}]
"""One record for partition 0 of two, or of one."""

COMMITTED = {"producer": {**PRODUCER, "isolation": "read-committed"}}


def judged(*faults: Any, workload: Any = SEND, lost: Any = LOST, **more: Any) -> Result:
    fields = {"name": "x", "producer": PRODUCER, "faults": [lost, *faults], "workload": workload}
    return judge(run_scenario(Scenario.model_validate({**fields, **more})))


def accused(*faults: Any, **more: Any) -> bool:
    """Return whether ``no-loss`` catches the defect; without it the run must be valid."""
    sound = judged(*faults, **more)
    assert (sound.verdict, sound.reasons) == ("valid", ())
    with MUTANTS["gives-up-early"].applied():
        result = judged(*faults, **more)
    return any(finding.check == "no-loss" for finding in result.broken)


def blindness(*faults: Any, **more: Any) -> dict[str, int]:
    """Return to how many records ``no-loss`` is blind, by cause, with the defect in place."""
    with MUTANTS["gives-up-early"].applied():
        result = judged(*faults, **more)
    finding: Finding = next(each for each in result.findings if each.check == "no-loss")
    return finding.unseen


def refused(server: str, *between: str, how: str = "refuse") -> dict[str, Any]:
    return {"refuse": {"server": server, "how": how, "optional": True, "between": list(between)}}


ALWAYS = ("0s", "60s")
TWO = {"cluster": {"spus": 2}, "topic": {"partitions": 2}}


def test_the_defect_is_seen_where_nothing_hides_attempts() -> None:
    assert accused()


# --- a listener that is closed, a connect that is struck


@pytest.mark.parametrize("how", ["refuse", "rst", "hang"])
@pytest.mark.parametrize("more", [{"cluster": {"spus": 2}}, TWO])
def test_an_spu_that_does_not_lead_the_partition_hides_nothing(
    how: str, more: dict[str, Any]
) -> None:
    assert accused(refused("spu:1", *ALWAYS, how=how), **more)


def test_the_spu_that_leads_the_partition_hides_attempts() -> None:
    assert blindness(refused("spu:0", "1ms", "60s")) == {"spu-unreachable": 1}


def test_a_listener_that_is_closed_later_hides_nothing() -> None:
    assert accused(refused("spu:0", "3s", "4s"))


def test_an_spu_that_stopped_and_led_the_partition_until_just_before_hides_attempts() -> None:
    away = [{"send": {"keys": 1}}, {"move_leader": {"to": 1}}, {"stop_spu": {"spu": 0}}, "flush"]
    assert blindness(cluster={"spus": 2}, workload=away)


def test_an_spu_that_led_the_partition_long_ago_hides_nothing() -> None:
    moved = [{"move_leader": {"to": 1}}, {"sleep": "5s"}, {"stop_spu": {"spu": 0}}, *SEND]
    assert accused(cluster={"spus": 2}, workload=moved)


# --- the SC


def test_the_sc_hides_attempts_for_all_partitions() -> None:
    assert blindness(refused("sc", *ALWAYS)) == {"sc-unreachable": 1}


def test_an_sc_that_is_struck_later_hides_nothing() -> None:
    assert accused(refused("sc", "3s", "4s"))


# --- a connection that ends or falls silent

SILENT = {"stall": {"at": "request", "nth": 1, "match": {"partition": 1}}}
BOTH = [{"send": {"count": 2, "keys": 2}}, "flush", {"sleep": "5s"}]


def test_a_silent_connection_to_another_spu_hides_nothing() -> None:
    assert accused(SILENT, **TWO, workload=BOTH)


def test_a_silent_connection_to_the_same_spu_hides_attempts() -> None:
    assert blindness(SILENT, topic={"partitions": 2}, workload=BOTH) == {"lost-connection": 1}


# --- requests that an SPU holds until their commit


@pytest.mark.parametrize("commit_delay", ["1ms", "30ms"])
def test_a_short_hold_hides_nothing(commit_delay: str) -> None:
    assert accused(**COMMITTED, cluster={"commit_delay": commit_delay})


def test_a_long_hold_of_another_spu_hides_nothing() -> None:
    more = {**TWO, "cluster": {"spus": 2, "commit_delay": "300ms"}}
    assert accused(**COMMITTED, **more, workload=BOTH)


# --- an answer at an uncertain side of its commit

MOVED = ["send", {"sleep": "20ms"}, {"move_leader": {"to": 1}}, "flush", {"sleep": "1s"}]
"""The leader moves while it holds a request, which is then sent again."""


@pytest.mark.parametrize(("later", "seen"), [([], False), (["send", "flush"], True)])
def test_an_uncertain_commit_blinds_one_request(later: list[str], seen: bool) -> None:
    late = {"at": "request", "by": "1us", "between": ["500ms", "9s"], "optional": True}
    fields = {
        "name": "x",
        "cluster": {"spus": 2, "commit_delay": "50ms"},
        "producer": {"isolation": "read-committed", "attempt_timeout": "400ms"},
        "faults": [{"delay": late}],
        "workload": [*MOVED, *later],
    }
    with MUTANTS["appends-twice"].applied():
        result = judge(run_scenario(Scenario.model_validate(fields)))
    finding = next(each for each in result.findings if each.check == "unprovoked-duplicate")
    assert finding.unseen == {"commit-uncertain": 1}
    assert bool(finding.count) == seen


# --- records that cannot be told from others, and bytes that a fault altered

ALTERED = {"corrupt": {"at": "response", "nth": 1, "match": {"partition": 1}}}
EQUAL = {"send": {"count": 2, "value": "empty"}}


def test_altered_bytes_of_another_connection_hide_nothing() -> None:
    assert accused(ALTERED, **TWO, workload=BOTH)


def test_altered_bytes_of_the_same_connection_blind_to_what_it_had_in_flight() -> None:
    seen = blindness(ALTERED, topic={"partitions": 2}, workload=BOTH)
    assert seen == {"unmodelled-effect": 1}


def test_equal_records_hide_no_other_record() -> None:
    more = {"lost": {"drop": {"at": "request", "nth": [2, 3, 4]}}}
    assert blindness(**more, workload=[EQUAL, "flush", *SEND]) == {"without-id": 2}
    assert accused(**more, workload=[EQUAL, "flush", *SEND])


# --- an attempt shorter than the network


def test_a_network_just_fast_enough_hides_nothing() -> None:
    assert accused(network={"latency": "33ms"}, worlds=["virtual"])


def test_a_network_slower_than_an_attempt_blinds_the_whole_run() -> None:
    with MUTANTS["gives-up-early"].applied():
        result = judged(network={"latency": "40ms"}, worlds=["virtual"])
    assert result.verdict == "inconclusive"
    assert "no-loss judged none, blind for: too-slow 1" in result.reasons


# --- at-most-once: a record that was never transmitted


def vanished(*faults: Any, **more: Any) -> set[str]:
    """Return the checks that fail if a request with the only record was never seen."""
    history = played(drop, *faults, producer=AT_MOST_ONCE, **more)
    assert not judge(history).broken
    unseen = without(
        history,
        lambda event: (
            isinstance(event, ExchangeEvent)
            and event.transmission == Evidence(history).requests[0].transmission
        ),
    )
    return {finding.check for finding in judge(unseen).broken}


drop = {"drop": {"at": "request", "nth": 1}}


@pytest.mark.parametrize("more", [{"cluster": {"spus": 2}}, TWO])
def test_another_spu_explains_no_loss_of_at_most_once(more: dict[str, Any]) -> None:
    workload = [{"send": {"keys": 1}}, "wait"]
    assert vanished(refused("spu:1", *ALWAYS), **more, workload=workload) == {"unprovoked-loss"}
    assert vanished(refused("spu:0", "5ms", "60s"), **more, workload=workload) == set()


# --- consumers: the defect begins again where it began, after its connection was lost

CUT = {
    "disconnect": {
        "at": "response",
        "nth": 1,
        "match": {"api": "update-offsets", "client_id": "consumer-a"},
    }
}
READ = [{"send": {"count": 9, "keys": 2}}, "flush", {"consume": {"max_bytes": 200}}]
"""Small responses, so that something is read before the connection is lost."""


def repeated(*faults: Any, workload: Any = READ, **more: Any) -> bool:
    """Return whether ``read-what-is-stored`` catches the defect; without it the run is valid."""
    producer = {"batch_size": 1}
    fields = {"name": "x", "producer": producer, "faults": [CUT, *faults], "workload": workload}
    scenario = Scenario.model_validate({**fields, **more})
    assert judge(run_scenario(scenario)).verdict == "valid"
    with MUTANTS["begins-again-after-a-failure"].applied():
        result = judge(run_scenario(scenario))
    return any(finding.check == "read-what-is-stored" for finding in result.broken)


def test_the_defect_of_a_consumer_is_seen() -> None:
    assert repeated()


def test_a_response_copied_for_another_consumer_excuses_nothing() -> None:
    copied = {"duplicate": {"match": {"api": "stream-fetch", "client_id": "consumer-b"}}}
    assert repeated(copied, workload=[*READ, {"consume": {"consumer": "b"}}])


def test_a_batch_of_another_partition_that_was_altered_hides_nothing() -> None:
    altered = {"corrupt": {"at": "request", "nth": 1, "match": {"partition": 1}}}
    assert repeated(altered, topic={"partitions": 2})


def test_an_altered_batch_hides_nothing_that_was_read_before_it() -> None:
    later = [{"sleep": "5s"}, "send", "flush"]
    altered = {"corrupt": {"at": "request", "between": ["4s", "9s"]}}
    assert repeated(altered, workload=[*READ, *later])


def test_an_election_without_a_loss_excuses_nothing() -> None:
    cluster = {"spus": 2, "replication": {"replicas": 2, "lag": "1ms"}}
    steps = [*READ[:2], {"sleep": "100ms"}, "fail_leader", {"sleep": "1s"}, READ[2]]
    assert repeated(workload=steps, cluster=cluster)
