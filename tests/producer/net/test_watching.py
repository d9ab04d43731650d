"""The watch of the SC: how it comes back when its connection is lost."""

import trio
from trio.testing import MockClock

from producer.errors import ConnectError
from producer.net.connection import Connection
from producer.net.dialling import open_connection
from producer.net.metadata import Metadata
from producer.net.watching import watch
from tests.producer.net.test_connection import Server


async def lost_connection() -> Connection:
    """A connection that a server accepted, greeted and closed."""
    server = Server()

    async def serve() -> None:
        await server.greet()
        await server.stream.send_eof()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        return await open_connection(server.dial, "sc", 9003, client_id="test")


async def test_an_sc_that_is_away_is_tried_ever_more_rarely_and_soon_again_once_it_was_there(
    autojump_clock: MockClock,
) -> None:
    tries: list[float] = []
    since = 0.0
    outcomes = iter([False] * 8 + [True, True, False, False, True])
    done = trio.Event()

    async def connect(_seconds: float) -> Connection:
        nonlocal since
        tries.append(round(trio.current_time() - since, 6))
        since = trio.current_time()
        there = next(outcomes, None)
        if there is None:
            done.set()
            await trio.sleep_forever()
        if not there:
            raise ConnectError("it is away")
        return await lost_connection()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch, Metadata(), await lost_connection(), connect, 10.0)
        await done.wait()
        nursery.cancel_scope.cancel()
    growing = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]
    assert tries == [*growing, 0.05, 0.05, 0.1, 0.2, 0.05]
