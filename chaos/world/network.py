"""A TCP network in memory, on virtual time: who listens where, and how connections begin.

The naive way is real sockets in real time. They cost milliseconds per connection, need ports that
others want too, and give another history each time. ``memory_stream_pair`` has no latency and no
resets, and takes any amount. With it a client never meets the moments for which it is put on trial:
an answer that crosses a reset, a write that succeeds although nobody will ever read it.

Here the connections are ``VirtualStream``s, which keep TCP's rules in virtual time, and the network
is what lies before them: listeners by their port, and dialling. A dial sleeps for one round trip
and looks at the listener when its answer would arrive. Nothing draws a random number, iterates over
a set, reads the wall clock or runs a task: the same calls in the same order do the same.

There is one machine: the host is only a name. A port can be a *black hole*: connects to it hang, as
they do when a firewall swallows their SYN.
"""

import errno
import os
from collections import deque

import trio

from chaos.world.clock import VirtualClock
from chaos.world.stream import VirtualStream, virtual_pair
from simulator.serving.transport import Bound, Stream

FIRST_FREE_PORT = 50_000
"""Where port 0 begins to look: far from the ports that scenarios name."""

PORT_MAX = 65_535

BACKLOG = 1024
"""Connections that wait to be accepted by one listener. A connect beyond it hangs and tries again,
as Linux drops a SYN that finds the queue full."""

SYN_AGAIN_S = 1.0
"""After how long a connect that met a full backlog tries again, as Linux does the first time."""


def _os_error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


class VirtualListener(trio.abc.Listener[Stream]):
    """Where connects to one port arrive; made by ``VirtualNetwork.listen``."""

    def __init__(self, network: "VirtualNetwork", port: int) -> None:
        self._network = network
        self._port = port
        self._pending: deque[VirtualStream] = deque()
        self._arrived = trio.lowlevel.ParkingLot()
        self._accepting = False
        self._closed = False

    @property
    def full(self) -> bool:
        """Whether as many connections wait as may."""
        return len(self._pending) >= BACKLOG

    def deliver(self, stream: VirtualStream) -> None:
        """Have a connection wait to be accepted."""
        self._pending.append(stream)
        self._arrived.unpark_all()

    async def accept(self) -> VirtualStream:
        """Accept the connection that has waited longest, waiting for one.

        Raises:
            trio.ClosedResourceError: the listener was closed.
            trio.BusyResourceError: another task is waiting for one.
        """
        if self._accepting:
            raise trio.BusyResourceError("another task is accepting on this listener")
        self._accepting = True
        try:
            if self._pending or self._closed:
                await trio.lowlevel.checkpoint()
            while not self._closed:
                if self._pending:
                    return self._pending.popleft()
                await self._arrived.park()
            raise trio.ClosedResourceError("this listener was closed")
        finally:
            self._accepting = False

    async def aclose(self) -> None:
        """Stop to listen: what waits to be accepted is reset, what was accepted lives on."""
        if not self._closed:
            self._closed = True
            self._network.forget(self._port)
            while self._pending:
                self._pending.popleft().reset()
            self._arrived.unpark_all()
        await trio.lowlevel.checkpoint()


def reset_virtual(stream: Stream) -> None:
    """Close a virtual stream so that its peer sees a reset, one latency later."""
    assert isinstance(stream, VirtualStream)
    stream.reset()


class VirtualNetwork:
    """Listeners and connections in memory: ``listen`` for the simulator, ``dial`` for a client.

    Args:
        clock: of the run.
        latency_s: how long a byte is under way, one way, in seconds.
        bandwidth: bytes per second for each direction of each connection; None for any number.

    Raises:
        ValueError: the latency is negative or infinite, or the bandwidth is not above zero.
    """

    def __init__(
        self, clock: VirtualClock, latency_s: float = 0.0001, bandwidth: float | None = None
    ) -> None:
        if not 0 <= latency_s < float("inf"):
            raise ValueError(f"latency_s must be finite and not negative, not {latency_s}")
        if bandwidth is not None and not bandwidth > 0:
            raise ValueError(f"bandwidth must be above 0 bytes per second, not {bandwidth}")
        self._clock = clock
        self.latency_s = latency_s
        self.bandwidth = bandwidth
        self._listeners: dict[int, VirtualListener] = {}
        self._black_holes: dict[int, trio.lowlevel.ParkingLot] = {}
        self._next_port = FIRST_FREE_PORT

    async def listen(self, host: str, port: int) -> Bound:
        """Begin to listen.

        Args:
            host: any name; there is one machine.
            port: where; 0 takes the next one that is free and was not given out before.

        Raises:
            OSError: EADDRINUSE, the port is taken; or, for 0, none is left.
        """
        await trio.lowlevel.checkpoint()
        port = port or self._free_port()
        if port in self._listeners:
            raise _os_error(errno.EADDRINUSE)
        listener = self._listeners[port] = VirtualListener(self, port)
        return Bound([listener], port, reset_virtual)

    async def dial(self, host: str, port: int) -> trio.abc.HalfCloseableStream:
        """Connect to a port, which takes one round trip.

        A connect to a black hole hangs until ``restore``, then takes another round trip; one that
        finds the backlog full tries again every ``SYN_AGAIN_S``.

        Args:
            host: any name; there is one machine.
            port: where.

        Raises:
            OSError: ECONNREFUSED, nobody listens there.
        """
        while True:
            await self._clock.sleep(2 * self.latency_s)
            hole = self._black_holes.get(port)
            if hole is not None:
                await hole.park()
                continue
            listener = self._listeners.get(port)
            if listener is None:
                raise _os_error(errno.ECONNREFUSED)
            if not listener.full:
                ours, theirs = virtual_pair(self._clock, self.latency_s, self.bandwidth)
                listener.deliver(theirs)
                return ours
            await self._clock.sleep(SYN_AGAIN_S)

    def black_hole(self, port: int) -> None:
        """From now on connects to a port hang, those under way too; connections live on."""
        self._black_holes.setdefault(port, trio.lowlevel.ParkingLot())

    def restore(self, port: int) -> None:
        """End a black hole: the connects that hang in it try again, in their order."""
        hole = self._black_holes.pop(port, None)
        if hole is not None:
            hole.unpark_all()

    def forget(self, port: int) -> None:
        """Free the port of a listener that was closed."""
        del self._listeners[port]

    def _free_port(self) -> int:
        while self._next_port in self._listeners:
            self._next_port += 1
        if self._next_port > PORT_MAX:
            raise _os_error(errno.EADDRINUSE)
        self._next_port += 1
        return self._next_port - 1
