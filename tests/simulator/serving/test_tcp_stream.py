"""The TCP stream of the servers, against plain sockets of the system."""

import socket
import struct
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from simulator.serving.transport import TcpListener, TcpStream

MORE_THAN_FITS = b"x" * (32 * 1024 * 1024)
"""More than the buffers of two sockets hold."""

Pair = tuple[TcpStream, trio.SocketStream]


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    """A stream of ours and one of trio, connected over TCP."""
    (listening,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    listener = TcpListener(listening)
    port = listening.socket.getsockname()[1]
    peer = await trio.open_tcp_stream("127.0.0.1", port)
    stream = await listener.accept()
    await listener.aclose()
    yield stream, peer
    await stream.aclose()
    await peer.aclose()


async def _read_all(stream: trio.abc.ReceiveStream) -> bytes:
    found = bytearray()
    while data := await stream.receive_some(1024 * 1024):
        found += data
    return bytes(found)


async def test_bytes_pass_both_ways(pair: Pair) -> None:
    stream, peer = pair
    await stream.send_all(b"to the peer")
    assert await peer.receive_some() == b"to the peer"
    await peer.send_all(b"from the peer")
    assert await stream.receive_some() == b"from the peer"


async def test_a_send_beyond_the_buffers_waits_for_the_reader(pair: Pair) -> None:
    stream, peer = pair
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            await stream.send_all(MORE_THAN_FITS)
            await stream.send_eof()

        nursery.start_soon(send)
        assert await _read_all(peer) == MORE_THAN_FITS


async def test_a_send_beyond_the_buffers_can_be_cancelled(pair: Pair) -> None:
    stream, _ = pair
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, MORE_THAN_FITS)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_the_end_of_input_is_empty_and_writing_goes_on(pair: Pair) -> None:
    stream, peer = pair
    await peer.send_eof()
    assert await stream.receive_some() == b""
    await stream.send_all(b"late")
    assert await peer.receive_some() == b"late"


async def test_nothing_is_sent_after_the_end_of_output(pair: Pair) -> None:
    stream, _ = pair
    await stream.send_eof()
    await stream.send_eof()
    with pytest.raises(trio.ClosedResourceError):
        await stream.send_all(b"late")


async def test_a_reset_of_the_peer_breaks_receiving(pair: Pair) -> None:
    stream, peer = pair
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await peer.aclose()
    with pytest.raises(trio.BrokenResourceError):
        await stream.receive_some()


async def test_reset_breaks_the_peer_and_may_be_repeated(pair: Pair) -> None:
    stream, peer = pair
    stream.reset()
    stream.reset()
    with pytest.raises(trio.BrokenResourceError):
        await peer.receive_some()
    with pytest.raises(trio.ClosedResourceError):
        await stream.send_all(b"late")


async def test_closing_wakes_a_receiver_and_a_sender(pair: Pair) -> None:
    stream, _ = pair
    closed = []

    async def receive() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await stream.receive_some()
        closed.append("receive")

    async def send() -> None:
        with pytest.raises(trio.ClosedResourceError):
            await stream.send_all(MORE_THAN_FITS)
        closed.append("send")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive)
        nursery.start_soon(send)
        await trio.testing.wait_all_tasks_blocked()
        await stream.aclose()
    assert sorted(closed) == ["receive", "send"]


async def test_a_stream_that_is_always_readable_lets_other_tasks_run(pair: Pair) -> None:
    stream, peer = pair
    await peer.send_all(b"abc")
    turns = 0

    async def count() -> None:
        nonlocal turns
        while turns < 100:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(count)
        for _ in range(3):
            await stream.receive_some(1)
        assert turns >= 2  # the order of tasks within one turn is random
