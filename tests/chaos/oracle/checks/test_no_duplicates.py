"""``no-duplicates``: at-most-once transmits a record once."""

from dataclasses import replace

import pytest

from chaos.oracle.checks import no_duplicates
from simulator.events import Appended, FramePartlyRead
from tests.chaos.oracle.checks.playing import (
    AT_MOST_ONCE,
    judged,
    played,
    requests,
    said,
    without,
)

LOST_ANSWER = {"drop": {"at": "response", "nth": 1}}
COPY = {"duplicate": {"name": "copy", "at": "request", "nth": 1}}


@pytest.mark.parametrize("fault", [LOST_ANSWER, COPY], ids=["lost answer", "copy of the network"])
def test_one_transmission_is_no_duplicate_under_any_fault(fault: object) -> None:
    history = played(fault, producer=AT_MOST_ONCE)
    assert said(no_duplicates, history) == []
    assert judged(no_duplicates, history) == 3


def test_a_second_transmission_is_reported_with_both_times() -> None:
    history = played(producer=AT_MOST_ONCE)
    again = replace(requests(history)[0], transmission=99, t=0.5, connection=7)
    history.events.append(again)
    assert said(no_duplicates, history)[0] == (
        "record 0 was transmitted 2 times: at 0.001 s on connection 2 and at 0.500 s on "
        "connection 7"
    )


def test_a_copy_that_no_fault_made_is_reported() -> None:
    history = played(COPY, producer=AT_MOST_ONCE)
    for event in history.events:
        if isinstance(event, Appended):
            event.copied_by = None
    texts = said(no_duplicates, history)
    assert texts[0] == (
        "record 0 is stored 2 times (0@0 and 0@3), but it was transmitted once, and no fault "
        "duplicated the request"
    )
    assert len(texts) == 3


def test_a_copy_that_no_request_brought_is_a_phantom_and_no_duplicate() -> None:
    history = played(COPY, producer=AT_MOST_ONCE)
    gone = without(history, lambda event: isinstance(event, Appended) and event.copied_by == "copy")
    assert said(no_duplicates, gone) == []


def test_a_large_request_at_which_the_connection_ends_was_read_whole() -> None:
    cut = {"disconnect": {"at": "request", "nth": 1}}
    large = [{"send": {"count": 3, "size": 30_000}}, "wait"]
    history = played(cut, workload=large, producer=AT_MOST_ONCE)
    assert not [event for event in history.events if isinstance(event, FramePartlyRead)]
    assert said(no_duplicates, history) == []
