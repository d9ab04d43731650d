"""``python -m benchmarks.echo``: a bare trio server that sends back what it reads.

It has no protocol, no faults and no log, so its rate is the limit for any server on trio.
"""

import trio

RECEIVE_BYTES = 64 * 1024
"""The size of one read, as in the simulator."""


async def _echo(stream: trio.SocketStream) -> None:
    while data := await stream.receive_some(RECEIVE_BYTES):
        await stream.send_all(data)


async def main() -> None:
    """Serve on a free port of loopback until the process is killed; print its address."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    host, port = listener.socket.getsockname()
    print(f"ready echo={host}:{port}", flush=True)
    await trio.serve_listeners(_echo, [listener])


if __name__ == "__main__":
    trio.run(main)
