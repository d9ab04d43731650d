"""``python -m benchmarks.pump HOST:PORT``: a naive trio proxy that copies bytes both ways.

It has no protocol and no faults, so its rate is the limit for any proxy on trio.
"""

import sys

import trio

RECEIVE_BYTES = 64 * 1024
"""The size of one read, as in the proxy."""


async def _copy(source: trio.SocketStream, sink: trio.SocketStream) -> None:
    while data := await source.receive_some(RECEIVE_BYTES):
        await sink.send_all(data)
    await sink.send_eof()


async def main(address: str) -> None:
    """Serve on a free port of loopback until the process is killed; print its address."""
    to_host, _, to_port = address.rpartition(":")

    async def serve(client: trio.SocketStream) -> None:
        upstream = await trio.open_tcp_stream(to_host, int(to_port))
        async with upstream, trio.open_nursery() as nursery:
            nursery.start_soon(_copy, client, upstream)
            nursery.start_soon(_copy, upstream, client)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    host, port = listener.socket.getsockname()
    print(f"ready pump={host}:{port}", flush=True)
    await trio.serve_listeners(serve, [listener])


if __name__ == "__main__":
    trio.run(main, sys.argv[1])
