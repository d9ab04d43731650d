"""The official client, unmodified, while one fault strikes at an exact moment.

Each test says what the client does about it; ``SOCKET_WAIT_S`` is how long it waits for an answer.
"""

import pytest
import trio

import simulator
from simulator.faults.distributions import parse_distribution
from simulator.faults.kinds.delay import Delay
from simulator.faults.kinds.disconnect import Disconnect
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.duplicate import Duplicate
from simulator.faults.kinds.error import Error
from simulator.faults.model import Fault
from tests.official.client import (
    SOCKET_WAIT_S,
    Sent,
    appends,
    drive,
    fired,
    produce,
    producing,
    sent,
    stored,
    transmissions,
)

FIRST = (b"k", b"first")
SECOND = (b"k", b"second")

LATE = parse_distribution(f"{SOCKET_WAIT_S * 1000 + 400}ms")
"""Longer than the client waits, and shorter than that and its second attempt."""


@pytest.mark.official
async def test_a_lost_answer_makes_a_duplicate() -> None:
    async with simulator.open_simulator(faults=[Drop(name="lost", at="response", nth=1)]) as sim:
        told = await produce(sim, FIRST)
        assert told == [Sent(0, 1)], "the offset of the second copy"
        assert stored(sim) == [FIRST, FIRST]
        first, second = appends(sim)
        assert [first.transmission, second.transmission] == transmissions(sim)
        assert first.transmission != second.transmission, "the client's own doing"
        assert first.copied_by is None
        assert second.copied_by is None
        assert first.connection == second.connection
        assert second.t - first.t >= SOCKET_WAIT_S
        assert fired(sim) == {"lost": 1}
        assert sim.summary().unanswered_records == 1


@pytest.mark.official
async def test_a_lost_request_is_sent_again_and_stored_once() -> None:
    async with simulator.open_simulator(faults=[Drop(name="lost", at="request", nth=1)]) as sim:
        told = await produce(sim, FIRST, SECOND, wait="each")
        assert told == [Sent(0, 0), Sent(0, 1)]
        assert stored(sim) == [FIRST, SECOND]
        assert len(transmissions(sim)) == 3
        assert [e.transmission for e in appends(sim)] == transmissions(sim)[1:]


@pytest.mark.official
async def test_an_answer_that_comes_too_late_makes_a_duplicate() -> None:
    late = Delay(name="late", at="response", nth=1, by=LATE)
    async with simulator.open_simulator(faults=[late]) as sim:
        assert await produce(sim, FIRST) == [Sent(0, 1)], "the late answer counts for nothing"
        assert stored(sim) == [FIRST, FIRST]
        assert sim.summary().unanswered_records == 0, "both were answered"


@pytest.mark.official
async def test_at_most_once_never_sends_again() -> None:
    """Its ``wait`` would never end after a lost answer, so the test waits for the next record,
    whose answer is later than the client's patience."""
    faults: list[Fault] = [
        Drop(name="lost", at="response", nth=1),
        Delay(name="late", at="response", nth=2, by=LATE),
    ]
    async with simulator.open_simulator(faults=faults) as sim:
        results = await drive(
            sim,
            producing(FIRST, delivery_semantic="AtMostOnce", wait="never"),
            producing(SECOND, delivery_semantic="AtMostOnce"),
        )
        assert sent(results[1]) == [Sent(0, 1)]
        assert stored(sim) == [FIRST, SECOND]
        assert len(transmissions(sim)) == 2
        assert fired(sim) == {"lost": 1, "late": 1}


@pytest.mark.official
async def test_at_most_once_waits_for_ever_for_a_lost_answer_and_its_driver_is_killed() -> None:
    async with simulator.open_simulator(faults=[Drop(name="lost", at="response")]) as sim:
        with pytest.raises(trio.TooSlowError):
            await produce(
                sim, FIRST, delivery_semantic="AtMostOnce", within_s=SOCKET_WAIT_S * 2 + 0.5
            )
        assert stored(sim) == [FIRST]


async def test_a_reset_instead_of_an_answer_is_an_error_and_the_record_is_stored() -> None:
    cut = Disconnect(name="cut", at="response", nth=1)
    async with simulator.open_simulator(faults=[cut]) as sim:
        (told,) = await produce(sim, FIRST)
        assert told.error is not None
        assert "failed to get record metadata" in told.error
        assert stored(sim) == [FIRST]
        assert len(transmissions(sim)) == 1, "it is never sent again"
        assert sim.summary().unanswered_records == 1


async def test_an_answer_cut_in_the_middle_is_an_error_and_the_record_is_stored() -> None:
    cut = Disconnect(name="cut", at="response", nth=1, how="rst", after_bytes=10)
    async with simulator.open_simulator(faults=[cut]) as sim:
        (told,) = await produce(sim, FIRST)
        assert told.error is not None
        assert stored(sim) == [FIRST]


@pytest.mark.official
async def test_a_connection_closed_instead_of_an_answer_costs_the_client_its_whole_wait() -> None:
    cut = Disconnect(name="cut", at="response", nth=1, how="fin")
    async with simulator.open_simulator(faults=[cut]) as sim:
        (told,) = await produce(sim, FIRST)
        assert told.error is not None
        assert stored(sim) == [FIRST]
        assert len(transmissions(sim)) == 1


async def test_a_reset_before_the_request_is_applied_leaves_nothing_stored() -> None:
    cut = Disconnect(name="cut", at="request", nth=1)
    async with simulator.open_simulator(faults=[cut]) as sim:
        (told,) = await produce(sim, FIRST)
        assert told.error is not None
        assert stored(sim) == []
        # A new client gets through: the fault was meant for one request.
        assert await produce(sim, SECOND) == [Sent(0, 0)]


async def test_a_refused_request_reaches_the_caller_with_its_code() -> None:
    refuse = Error(name="moved", at="request", nth=1, code="NotLeaderForPartition")
    async with simulator.open_simulator(faults=[refuse]) as sim:
        told, after = await produce(sim, FIRST, SECOND, wait="each")
        assert told.error is not None
        assert "leader" in told.error.lower()
        assert after == Sent(0, 0), "an error code does not break the producer"
        assert stored(sim) == [SECOND]


async def test_an_error_after_the_append_leaves_the_record_stored() -> None:
    fail = Error(name="disk", at="response", nth=1, code="StorageError")
    async with simulator.open_simulator(faults=[fail]) as sim:
        (told,) = await produce(sim, FIRST)
        assert told.error is not None
        assert "storage" in told.error.lower()
        assert stored(sim) == [FIRST]


async def test_a_request_that_the_network_repeats_is_stored_twice() -> None:
    twice = Duplicate(name="twice", at="request", nth=1)
    async with simulator.open_simulator(faults=[twice]) as sim:
        told, after = await produce(sim, FIRST, SECOND, wait="each")
        # Two answers come; the second replaces the first if the client has not looked at it yet.
        assert told in (Sent(0, 0), Sent(0, 1))
        assert after == Sent(0, 2)
        assert stored(sim) == [FIRST, FIRST, SECOND]
        original, copy, other = appends(sim)
        assert original.transmission == copy.transmission
        assert [original.copied_by, copy.copied_by, other.copied_by] == [None, "twice", None]
        assert len(transmissions(sim)) == 2


async def test_an_answer_that_the_network_repeats_changes_nothing() -> None:
    twice = Duplicate(name="twice", at="response")
    async with simulator.open_simulator(faults=[twice]) as sim:
        told = await produce(sim, FIRST, SECOND, wait="each")
        assert told == [Sent(0, 0), Sent(0, 1)]
        assert stored(sim) == [FIRST, SECOND]
        assert fired(sim)["twice"] == 2
