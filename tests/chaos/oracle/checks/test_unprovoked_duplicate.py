"""``unprovoked-duplicate``: no record is sent again after a success answer."""

from dataclasses import replace

import pytest

from chaos.oracle.checks import unprovoked_duplicate
from chaos.oracle.evidence import Evidence
from simulator.events import Appended
from tests.chaos.oracle.checks.playing import judged, played, requests, said

PROVOKED = {
    "lost answer": {"drop": {"at": "response", "nth": 1}},
    "lost request": {"drop": {"at": "request", "nth": 1}},
    "code": {"error": {"at": "request", "code": "StorageError", "nth": 1}},
    "code in the answer": {"error": {"at": "response", "code": "StorageError", "nth": 1}},
    "cut answer": {"disconnect": {"at": "response", "after_bytes": 5, "nth": 1}},
    "late answer": {"delay": {"at": "response", "by": "2s", "nth": 1}},
    "copy of the network": {"duplicate": {"at": "request", "nth": 1}},
}


@pytest.mark.parametrize("fault", PROVOKED.values(), ids=PROVOKED)
def test_a_provoked_duplicate_is_no_violation(fault: object) -> None:
    history = played(fault)
    assert said(unprovoked_duplicate, history) == []
    assert judged(unprovoked_duplicate, history) == 3


def test_a_transmission_after_a_success_is_reported() -> None:
    history = played()
    again = replace(requests(history)[0], transmission=99, t=0.5, n=9999)
    history.events.append(again)
    assert said(unprovoked_duplicate, history) == [
        "records 0, 1 and 2 were transmitted again at 0.500 s on connection 2, after the request "
        "at 0.001 s on connection 2 was answered with success at 0.001 s"
    ]


def test_a_record_twice_in_one_request_is_reported() -> None:
    history = played()
    read = requests(history)[0]
    read.carried = (*read.carried, *read.carried)
    assert said(unprovoked_duplicate, history) == [
        "records 0, 1 and 2 were in one request twice, at 0.001 s on connection 2"
    ]


def test_a_copy_that_no_fault_made_is_reported() -> None:
    history = played(PROVOKED["copy of the network"])
    for event in history.events:
        if isinstance(event, Appended):
            event.copied_by = None
    assert "no fault duplicated the request" in said(unprovoked_duplicate, history)[0]


def test_an_answer_at_the_end_of_its_commit_timeout_is_no_certain_success() -> None:
    history = played(
        workload=[{"send": {"count": 2, "pace": "15ms"}}],
        cluster={"commit_delay": "10ms"},
        producer={"isolation": "read-committed", "timeout": "10ms"},
    )
    assert any(len(trail) > 1 for trail in Evidence(history).transmissions)
    assert said(unprovoked_duplicate, history) == []


def test_attempts_that_were_read_out_of_order_may_all_have_timed_out() -> None:
    history = played(
        cluster={"commit_delay": "32ms"},
        topic={"partitions": 2},
        network={"latency": "2ms"},
        producer={
            "retry": {"strategy": "fixed-delay"},
            "attempt_timeout": "43ms",
            "isolation": "read-committed",
        },
        workload=[{"send": {"count": 2}}, {"with_producer": [{"send": {"pace": "1us"}}]}],
    )
    assert any(len(sent) > 2 for sent in Evidence(history).transmissions)
    assert said(unprovoked_duplicate, history) == []


def test_a_commit_at_the_very_end_of_the_timeout_in_the_request_is_uncertain() -> None:
    producer = {"isolation": "read-committed", "attempt_timeout": "223ms"}
    workload = [{"with_producer": ["send"]}, {"sleep": "100ms"}, {"send": {"keys": 0}}]
    history = played(workload=workload, cluster={"commit_delay": "200ms"}, producer=producer)
    assert {request.timeout_ms for request in requests(history)} == {200}
    assert said(unprovoked_duplicate, history) == []
