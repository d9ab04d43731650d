"""A TCP network in memory, in virtual time: listeners and dialling.

The obvious solution is real sockets in real time. Real sockets cost milliseconds per connection,
compete with other programs for ports, and give a different history in each run.
``memory_stream_pair`` has no latency and no resets, and its buffer is unbounded, so that a client
never meets the situations for which it is tested: a response that crosses a reset, or a write that
succeeds although the peer never reads it.

The connections are ``VirtualStream``s, which keep TCP's rules in virtual time. The network adds
listeners, by port, and dialling. A dial sleeps for one round trip and looks at the listener when
the answer to its SYN would arrive. The network draws no random number, iterates over no set, reads
no wall clock and starts no task: the same calls in the same order give the same result.

All listeners are on one machine; the host is only a name. A port can be a *black hole*: connects to
it hang, as they do when a firewall drops their SYN.
"""

import errno
import os
from collections import deque

import trio

from chaos.world.clock import VirtualClock
from chaos.world.stream import VirtualStream, virtual_pair
from simulator.serving.transport import Bound, Stream

FIRST_FREE_PORT = 50_000
"""The first port that a listener on port 0 gets: far from the ports that scenarios name."""

PORT_MAX = 65_535

BACKLOG = 1024
"""The most connections that wait to be accepted by one listener. Further connects hang and try
again, since Linux drops a SYN that finds the queue full."""

SYN_AGAIN_S = 1.0
"""How long a connect that finds the backlog full waits before it tries again: Linux's first
retransmission timeout."""


def _os_error(code: int) -> OSError:
    return OSError(code, os.strerror(code))


class VirtualListener(trio.abc.Listener[Stream]):
    """The listener of one port; made by ``VirtualNetwork.listen``."""

    def __init__(self, network: "VirtualNetwork", port: int) -> None:
        self._network = network
        self._port = port
        self._pending: deque[VirtualStream] = deque()
        self._arrived = trio.lowlevel.ParkingLot()
        self._accepting = False
        self._closed = False

    @property
    def full(self) -> bool:
        """Whether the backlog is full."""
        return len(self._pending) >= BACKLOG

    def deliver(self, stream: VirtualStream) -> None:
        """Add a connection to the backlog."""
        self._pending.append(stream)
        self._arrived.unpark_all()

    async def accept(self) -> VirtualStream:
        """Accept the oldest connection of the backlog; wait for one if it is empty.

        Raises:
            trio.ClosedResourceError: the listener was closed.
            trio.BusyResourceError: another task is already waiting.
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
        """Stop listening: connections in the backlog are reset, accepted ones stay open."""
        if not self._closed:
            self._closed = True
            self._network.forget(self._port)
            while self._pending:
                self._pending.popleft().reset()
            self._arrived.unpark_all()
        await trio.lowlevel.checkpoint()


def virtual_port(stream: Stream | trio.abc.Stream) -> int:
    """Return the client's port of a virtual connection, for either side of it."""
    assert isinstance(stream, VirtualStream)
    return stream.port


def reset_virtual(stream: Stream) -> None:
    """Close a virtual stream so that its peer sees a reset, one latency later."""
    assert isinstance(stream, VirtualStream)
    stream.reset()


class VirtualNetwork:
    """Listeners and connections in memory: ``listen`` for the simulator, ``dial`` for a client.

    Args:
        clock: the clock of the run.
        latency_s: the one-way latency of each byte, in seconds.
        bandwidth: bytes per second for each direction of each connection; None for unlimited.

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
        self._dialled = 0
        """How many connections there were; the number of each is the port of its client."""

    async def listen(self, host: str, port: int) -> Bound:
        """Start listening on a port.

        Args:
            host: any name; there is one machine.
            port: the port; 0 takes the next free port that was not assigned before.

        Raises:
            OSError: EADDRINUSE, the port is taken; or, for 0, no port is left.
        """
        await trio.lowlevel.checkpoint()
        port = port or self._free_port()
        if port in self._listeners:
            raise _os_error(errno.EADDRINUSE)
        listener = self._listeners[port] = VirtualListener(self, port)
        return Bound([listener], port, reset_virtual, virtual_port)

    async def dial(self, host: str, port: int) -> trio.abc.HalfCloseableStream:
        """Connect to a port, which takes one round trip.

        A connect to a black hole hangs until ``restore``, then takes another round trip. A connect
        that finds the backlog full tries again every ``SYN_AGAIN_S``.

        Args:
            host: any name; there is one machine.
            port: the port.

        Raises:
            OSError: ECONNREFUSED, there is no listener on the port.
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
                self._dialled += 1
                ours, theirs = virtual_pair(self._clock, self.latency_s, self.bandwidth)
                ours.port = theirs.port = self._dialled
                listener.deliver(theirs)
                return ours
            await self._clock.sleep(SYN_AGAIN_S)

    def black_hole(self, port: int) -> None:
        """Make connects to a port hang, including those under way; connections stay open."""
        self._black_holes.setdefault(port, trio.lowlevel.ParkingLot())

    def restore(self, port: int) -> None:
        """End a black hole: the connects that hang in it try again, in their order."""
        hole = self._black_holes.pop(port, None)
        if hole is not None:
            hole.unpark_all()

    def forget(self, port: int) -> None:
        """Free the port of a closed listener."""
        del self._listeners[port]

    def _free_port(self) -> int:
        while self._next_port in self._listeners:
            self._next_port += 1
        if self._next_port > PORT_MAX:
            raise _os_error(errno.EADDRINUSE)
        self._next_port += 1
        return self._next_port - 1
