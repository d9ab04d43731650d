"""The tables of a connection's states: what is in them, and that nothing else happens."""

from itertools import product

import pytest

from simulator.serving.states import (
    READING,
    WRITING,
    Cause,
    ReadingState,
    TransitionError,
    WritingState,
)

R, W = ReadingState, WritingState

READS = {
    "input": "receiving>applying",
    "applied": "applying>receiving",
    "client-closed": "receiving>ended",
    "client-reset": "receiving>ended",
    "undecodable-frame": "applying>ended",
    "undecodable-request": "receiving>failed applying>failed stalled>failed draining>failed "
    "ended>failed failed>failed",
    "stall-reading": "applying>stalled",
    "end-reading": "applying>ended",
    "drain": "receiving>draining applying>draining stalled>draining draining>draining "
    "ended>draining failed>failed",
    "drained": "draining>ended ended>ended failed>failed",
    "cut": "receiving>ended applying>ended stalled>ended draining>ended ended>ended failed>failed",
}

WRITES = {
    "stall-writing": "open>silent",
    "end-writing": "open>ended silent>ended ended>ended",
    "write-failed": "open>ended ended>ended",
    "cut": "open>ended silent>ended ended>ended",
}


def moves(text: str) -> dict[str, str]:
    pairs = (move.partition(">") for move in text.split())
    return {before: after for before, _, after in pairs}


@pytest.mark.parametrize(("cause", "state"), list(product(Cause, ReadingState)))
def test_each_cause_moves_the_reading_state_as_listed_or_is_an_error(
    cause: Cause, state: ReadingState
) -> None:
    expected = moves(READS.get(cause.value, "")).get(state.value)
    if expected is None:
        with pytest.raises(TransitionError, match=f"{cause.value} cannot .* {state.value}"):
            READING[cause][state]
    else:
        assert READING[cause][state] is R(expected)


@pytest.mark.parametrize(("cause", "state"), list(product(Cause, WritingState)))
def test_each_cause_moves_the_writing_state_as_listed_or_is_an_error(
    cause: Cause, state: WritingState
) -> None:
    expected = moves(WRITES.get(cause.value, "")).get(state.value)
    if expected is None:
        with pytest.raises(TransitionError, match=f"{cause.value} cannot .* {state.value}"):
            WRITING[cause][state]
    else:
        assert WRITING[cause][state] is W(expected)


def test_every_cause_moves_something_and_every_state_can_be_reached() -> None:
    assert all(READING[cause] or WRITING[cause] for cause in Cause)
    read = {after for table in READING.values() for after in table.values()}
    written = {after for table in WRITING.values() for after in table.values()}
    assert read == set(ReadingState)
    assert written == set(WritingState) - {W.OPEN}


def test_nothing_is_read_again_once_reading_has_stopped() -> None:
    stopped = set(ReadingState) - {R.RECEIVING, R.APPLYING}
    for table in READING.values():
        assert all(after in stopped for before, after in table.items() if before in stopped)


def test_nothing_is_written_again_once_writing_has_stopped() -> None:
    for table in WRITING.values():
        assert W.OPEN not in table.values()
