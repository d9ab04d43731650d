"""The official client, unmodified, consumes while one fault strikes a response of its stream.

``docs/clients.md`` has a table of what these tests hold. The streams of a ``PartitionConsumer``,
synchronous or not, end with the first error; ``consumer_with_config`` alone connects again, after a
second, and reads on. None of them waits a limited time for a response, as a producer does.

A stream is one exchange and all its responses have the ordinal of its request, so a fault with
``nth: 1`` and ``limit: 1`` strikes the first response of the first stream.
"""

import re
from typing import Any

import pytest
import trio

import simulator
from tests.official.client import (
    SOCKET_WAIT_S,
    WITHIN_S,
    Operation,
    Result,
    consuming,
    drive,
    fired,
    offsets,
    producing,
)

pytestmark = pytest.mark.official

FIRST = (b"k", b"first")
SECOND = (b"k", b"second")
THIRD = (b"k", b"third")

STREAM = "stream"
ASYNC = "async_stream"
CONFIG = "consumer_with_config"

# What comes after the records that were read, as regular expressions.
NOTHING = "nothing"
OVER = "end|Exception: Other error: Socket closed"
"""The end of a stream; the client may notice that its connection was lost before the stream is."""
PANIC = "RustPanic: .*|Exception: Other error: Socket closed"
"""The same of an asynchronous stream: the client takes it for granted that a stream has no end."""

SOON_S = 0.3
"""How long a test waits for a record that must not come."""

Seen = tuple[list[int], str]
"""The offsets of the records that were read, and what came next."""

MATCH = {"api": "stream-fetch"}
FIRST_RESPONSE = {"at": "response", "nth": 1, "limit": 1, "match": MATCH}
LATER_RESPONSE = {"at": "response", "probability": 0.5, "limit": 1, "match": MATCH, "name": "it"}
SEED = 0
"""With it ``LATER_RESPONSE`` strikes the second response of the first stream."""


async def run(fault: dict[str, Any], *operations: Operation) -> list[Result]:
    """Run operations in one client under a fault, which must strike once; the result of each."""
    async with simulator.open_simulator(faults=[fault], seed=SEED) as sim:
        results = await drive(sim, *operations)
        assert [*fired(sim).values()] == [1]
    return results


async def sees(fault: dict[str, Any], expected: dict[str, Seen], then_s: float = SOON_S) -> None:
    """Consume two stored records in each of some ways under a fault, and compare."""

    async def consume(via: str, read: list[int], then: str) -> None:
        reading = consuming(len(read), via=via, then_s=then_s if then == NOTHING else WITHIN_S)
        _, result = await run(fault, producing(FIRST, SECOND), reading)
        compare(result, read, then)

    async with trio.open_nursery() as nursery:
        for via, (read, then) in expected.items():
            nursery.start_soon(consume, via, read, then)


async def sees_later(fault: dict[str, Any], expected: dict[str, Seen]) -> None:
    """Consume one record; then a second one is stored, and the fault strikes its response."""

    async def consume(via: str, read: list[int], then: str) -> None:
        then_s = SOON_S if then == NOTHING else WITHIN_S
        reading = {"do": "read", "count": len(read), "then_s": then_s}
        _, before, _, after = await run(
            fault, producing(FIRST), consuming(1, via=via), producing(SECOND), reading
        )
        assert offsets(before) == [0]
        compare(after, read, then)

    async with trio.open_nursery() as nursery:
        for via, (read, then) in expected.items():
            nursery.start_soon(consume, via, read, then)


def compare(result: Result, read: list[int], then: str) -> None:
    assert offsets(result) == read
    assert re.fullmatch(then, str(result["then"])), result


async def test_a_lost_response_is_awaited_for_ever() -> None:
    lost: Seen = ([], NOTHING)
    fault = {"drop": FIRST_RESPONSE}
    await sees(fault, {STREAM: lost, ASYNC: lost, CONFIG: lost}, then_s=SOCKET_WAIT_S + 0.5)


async def test_after_a_lost_response_no_later_record_comes() -> None:
    """The SPU waits for the consumer to read, and the consumer for the SPU to send."""
    *_, after = await run(
        {"drop": FIRST_RESPONSE},
        producing(FIRST),
        consuming(0, via=CONFIG, then_s=SOON_S),
        producing(SECOND),
        {"do": "read", "count": 0, "then_s": SOON_S},
    )
    compare(after, [], NOTHING)


@pytest.mark.parametrize(
    "how", [{"how": "rst"}, {"how": "rst", "after_bytes": 60}, {"how": "fin"}], ids=str
)
async def test_a_lost_connection_ends_a_stream_and_a_consumer_with_config_connects_again(
    how: dict[str, Any],
) -> None:
    fault = {"disconnect": {**FIRST_RESPONSE, **how}}
    await sees(fault, {STREAM: ([], OVER), ASYNC: ([], PANIC), CONFIG: ([0, 1], NOTHING)})


async def test_a_consumer_that_is_to_end_takes_a_lost_connection_for_the_end() -> None:
    _, result = await run(
        {"disconnect": {**FIRST_RESPONSE, "how": "rst"}},
        producing(FIRST, SECOND),
        consuming(2, via=CONFIG, disable_continuous=True),
    )
    compare(result, [], OVER)


@pytest.mark.parametrize(
    ("at", "code", "text"),
    [
        ("response", "StorageError", "a storage error occurred"),
        ("request", "NotLeaderForPartition", "the given SPU is not the leader for the partition"),
    ],
)
async def test_an_error_code_ends_a_stream_and_a_consumer_with_config_connects_again(
    at: str, code: str, text: str
) -> None:
    raised: Seen = ([], f"Exception: {text}")
    fault = {"error": {**FIRST_RESPONSE, "at": at, "code": code}}
    await sees(fault, {STREAM: raised, ASYNC: raised, CONFIG: ([0, 1], NOTHING)})


async def test_a_late_response_is_consumed_however_late_it_is() -> None:
    late: Seen = ([0, 1], NOTHING)
    fault = {"delay": {**FIRST_RESPONSE, "by": f"{SOCKET_WAIT_S * 1000 + 400}ms"}}
    await sees(fault, {STREAM: late, ASYNC: late, CONFIG: late})


async def test_a_response_that_comes_twice_is_consumed_twice() -> None:
    twice: Seen = ([0, 1, 0, 1], NOTHING)
    fault = {"duplicate": FIRST_RESPONSE}
    await sees(fault, {STREAM: twice, ASYNC: twice, CONFIG: twice})


async def test_a_request_that_comes_twice_opens_two_streams() -> None:
    twice: Seen = ([0, 1, 0, 1], NOTHING)
    fault = {"duplicate": {**FIRST_RESPONSE, "at": "request"}}
    await sees(fault, {STREAM: twice, ASYNC: twice, CONFIG: twice})


async def test_a_later_response_is_lost_like_the_first() -> None:
    lost: Seen = ([], NOTHING)
    await sees_later({"drop": LATER_RESPONSE}, {STREAM: lost, ASYNC: lost, CONFIG: lost})


async def test_what_was_read_before_the_connection_was_lost_is_not_read_again() -> None:
    fault = {"disconnect": {**LATER_RESPONSE, "how": "rst"}}
    await sees_later(fault, {STREAM: ([], OVER), ASYNC: ([], PANIC), CONFIG: ([1], NOTHING)})


async def test_a_consumer_with_an_id_reads_on_behind_what_it_read_and_not_what_it_stored() -> None:
    _, first, _, second, _, after = await run(
        {"disconnect": {**LATER_RESPONSE, "how": "rst"}},
        producing(FIRST, SECOND),
        consuming(1, via=CONFIG, offset_consumer="reader", offset_strategy="MANUAL"),
        {"do": "store_offset"},
        {"do": "read", "count": 1},
        producing(THIRD),
        {"do": "read", "count": 1, "then_s": SOON_S},
    )
    assert [offsets(each) for each in (first, second)] == [[0], [1]]
    compare(after, [2], NOTHING)
