"""The same calls on real loopback sockets and in memory have the same outcome.

No result depends on timing: a test first reads a part of what must have arrived, and repeats a call
whose result must come back from the peer until a deadline.
"""

import errno
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import NamedTuple

import pytest
import trio

from chaos.world.clock import VirtualClock
from chaos.world.network import VirtualNetwork
from simulator.serving.transport import Listen, Stream, listen_on_tcp

DEADLINE_S = 10
AGAIN_S = 0.001

TURNS = 10
"""Turns of trio's loop until a started task is blocked: virtual time does not wait for that."""


class Connected(NamedTuple):
    """A connection whose accepted side can be reset."""

    near: Stream
    far: Stream
    reset: Callable[[], None]


Moves = Callable[[Connected], AsyncIterator[str]]


async def outcome(call: Callable[[], Awaitable[object]]) -> str:
    """The outcome of a call: its data, the end, an error, or "done"."""
    try:
        result = await call()
    except trio.BrokenResourceError as error:
        return f"broken: {error_name(error)}"
    except trio.ClosedResourceError:
        return "closed"
    if isinstance(result, bytes | bytearray):
        return f"data: {bytes(result)!r}" if result else "end"
    return "done"


def error_name(error: trio.BrokenResourceError) -> str:
    cause = error.__cause__
    assert isinstance(cause, OSError)
    assert cause.errno is not None
    return errno.errorcode[cause.errno]


async def read(stream: Stream, size: int = 100) -> str:
    return await outcome(partial(stream.receive_some, size))


async def write(stream: Stream, data: bytes = b"x") -> str:
    return await outcome(partial(stream.send_all, data))


async def write_until_it_fails(stream: Stream) -> str:
    # No event can be awaited: the write fails because of a state inside the kernel.
    while (became := await write(stream)) == "done":  # noqa: ASYNC110
        await trio.sleep(AGAIN_S)
    return became


async def write_after_the_peer_closed(to: Connected) -> AsyncIterator[str]:
    await to.far.aclose()
    yield await read(to.near)
    yield await write(to.near)
    yield await write_until_it_fails(to.near)
    yield await write(to.near)
    yield await read(to.near)


async def write_after_the_peer_sent_data_and_closed(to: Connected) -> AsyncIterator[str]:
    await to.far.send_all(b"data")
    await to.far.aclose()
    yield await read(to.near, 1)
    yield await write(to.near)
    yield await write_until_it_fails(to.near)
    yield await read(to.near)
    yield await read(to.near)


async def close_with_unread_input(to: Connected) -> AsyncIterator[str]:
    yield await write(to.near, b"question")
    yield await read(to.far, 1)
    yield await write(to.far, b"answer")
    yield await read(to.near, 1)
    await to.far.aclose()
    yield await read(to.near)
    yield await read(to.near)
    yield await read(to.near)
    yield await write(to.near)


async def half_close(to: Connected) -> AsyncIterator[str]:
    yield await write(to.near, b"question")
    yield await outcome(to.near.send_eof)
    yield await outcome(to.near.send_eof)
    yield await write(to.near)
    yield await read(to.far)
    yield await read(to.far)
    yield await write(to.far, b"answer")
    yield await read(to.near)
    await to.far.aclose()
    yield await read(to.near)


async def reset(to: Connected) -> AsyncIterator[str]:
    yield await write(to.far, b"data")
    yield await read(to.near, 1)
    to.reset()
    yield await read(to.far)
    yield await write(to.far)
    yield await read(to.near)
    yield await read(to.near)
    yield await read(to.near)
    yield await write(to.near)
    yield await write(to.near, b"")
    yield await outcome(to.near.send_eof)


async def reset_that_a_writer_sees_first(to: Connected) -> AsyncIterator[str]:
    yield await write(to.far, b"data")
    yield await read(to.near, 1)
    to.reset()
    yield await write_until_it_fails(to.near)
    yield await read(to.near)
    yield await read(to.near)
    yield await write(to.near)


async def reset_behind_the_end(to: Connected) -> AsyncIterator[str]:
    yield await outcome(to.far.send_eof)
    yield await read(to.near)
    to.reset()
    yield await write_until_it_fails(to.near)
    yield await read(to.near)


async def reset_of_a_half_closed_connection(to: Connected) -> AsyncIterator[str]:
    yield await outcome(to.near.send_eof)
    yield await read(to.far)
    to.reset()
    yield await read(to.near)
    yield await read(to.near)
    yield await write(to.near)


async def close_under_a_reader(to: Connected) -> AsyncIterator[str]:
    became: list[str] = []

    async def reader() -> None:
        became.append(await read(to.near))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        for _ in range(TURNS):
            await trio.lowlevel.checkpoint()
        await to.near.aclose()
    yield became[0]
    yield await read(to.far)


SERIES: list[Moves] = [
    write_after_the_peer_closed,
    write_after_the_peer_sent_data_and_closed,
    close_with_unread_input,
    half_close,
    reset,
    reset_that_a_writer_sees_first,
    reset_behind_the_end,
    reset_of_a_half_closed_connection,
    close_under_a_reader,
]


@asynccontextmanager
async def connected(
    listen: Listen, dial: Callable[[str, int], Awaitable[Stream]]
) -> AsyncIterator[Connected]:
    bound = await listen("127.0.0.1", 0)
    near = await dial("127.0.0.1", bound.port)
    far = await bound.listeners[0].accept()
    try:
        yield Connected(near, far, partial(bound.reset, far))
    finally:
        for resource in (near, far, *bound.listeners):
            await trio.aclose_forcefully(resource)


async def play(
    moves: Moves, listen: Listen, dial: Callable[[str, int], Awaitable[Stream]]
) -> list[str]:
    with trio.fail_after(DEADLINE_S):
        async with connected(listen, dial) as to:
            return [became async for became in moves(to)]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems end connections in other ways")
@pytest.mark.parametrize("latency_s", [0.0, 0.0001])
@pytest.mark.parametrize("moves", SERIES)
def test_the_same_moves_have_the_same_outcome_as_over_tcp(moves: Moves, latency_s: float) -> None:
    clock = VirtualClock()
    network = VirtualNetwork(clock, latency_s)
    virtual = trio.run(play, moves, network.listen, network.dial, clock=clock)
    assert virtual == trio.run(play, moves, listen_on_tcp, trio.open_tcp_stream)
