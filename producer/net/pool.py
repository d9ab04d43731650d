"""The connections to SPUs: one for each, shared by all partitions and producers.

A connection is told that nothing more will come (FIN) only when the last producer that sent on it
leaves. So each producer says which SPUs it sends to, from its beginning to its end; another one's
requests, under way or in line, would else be at the mercy of what an SPU makes of a FIN.

Whoever needs a connection that is not there opens it, within the time of its own attempt; others
that need the same one wait behind it and open it themselves if the first one runs out of time. So a
server that accepts and never answers cannot hold anybody longer than one's own attempt may take.
"""

import ssl
from collections.abc import Collection, Container, Iterable

import trio

from producer.net.connection import Connection
from producer.net.dialling import Dial, open_connection
from producer.net.metadata import Endpoint
from wire.profile import TlsPolicy

TURN_S = 0.2
"""How long an attempt leaves dialling to another one. A healthy dial is over by then; one that
hangs must not take the time of everybody else's attempts, so that they then dial by themselves."""


class Pool:
    """Connections to SPUs, opened when they are needed.

    Args:
        nursery: what the connections' tasks live in.
        dial: makes streams.
        client_id: what requests are sent under.
        tls: the policy of the profile.
        context: made from ``tls``; None for plain TCP.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        dial: Dial,
        client_id: str,
        tls: TlsPolicy,
        context: ssl.SSLContext | None,
    ) -> None:
        self.client_id = client_id
        self._nursery = nursery
        self._dial = dial
        self._tls = tls
        self._context = context
        self._connections: dict[Endpoint, Connection] = {}
        self._locks: dict[Endpoint, trio.Lock] = {}
        self._users: dict[int, Container[Endpoint]] = {}
        """By identity: two producers may have sent to the same SPUs, and are two all the same."""

    def join(self, endpoints: Container[Endpoint]) -> None:
        """A producer begins; ``endpoints`` is where it keeps the SPUs that it has sent to.

        An SPU must be there before the producer's next checkpoint after ``connection``.
        """
        self._users[id(endpoints)] = endpoints

    def leave(self, endpoints: Container[Endpoint]) -> None:
        """That producer will send nothing more; it may have left before."""
        self._users.pop(id(endpoints), None)

    async def connection(self, endpoint: Endpoint) -> Connection:
        """A usable connection to an SPU.

        Raises:
            ConnectError: it cannot be had.
        """
        found = self._connections.get(endpoint)
        if found is not None and found.usable:
            return found
        lock = self._locks.setdefault(endpoint, trio.Lock())
        mine = await _had(lock)
        try:
            return await self._connect(endpoint)
        finally:
            if mine:
                lock.release()

    async def _connect(self, endpoint: Endpoint) -> Connection:
        """The connection that somebody else made meanwhile, or a new one."""
        found = self._connections.get(endpoint)
        if found is not None and found.usable:
            return found
        made = await open_connection(
            self._dial,
            endpoint.host,
            endpoint.port,
            client_id=self.client_id,
            tls=self._context,
            server_name=self._tls.spu_name(endpoint.name),
        )
        self._nursery.start_soon(made.run)
        found = self._connections.get(endpoint)
        if found is not None:
            if found.usable:
                made.retire()
                return found
            found.retire()
        self._retire_predecessors(endpoint)
        self._connections[endpoint] = made
        return made

    def _retire_predecessors(self, endpoint: Endpoint) -> None:
        """An SPU that moved is not found under its old address any more."""
        for old in [e for e in self._connections if e.spu == endpoint.spu and e != endpoint]:
            self._locks.pop(old, None)
            self._connections.pop(old).retire()

    def finish(self, endpoints: Collection[Endpoint]) -> None:
        """That producer leaves and tells its SPUs so, unless others still send to them.

        Answers are still read.
        """
        self.leave(endpoints)
        users = self._users.values()
        self._finish([e for e in endpoints if not any(e in others for others in users)])

    def _finish(self, endpoints: Iterable[Endpoint]) -> None:
        for endpoint in endpoints:
            found = self._connections.pop(endpoint, None)
            if found is not None:
                found.finish()

    async def close(self, seconds: float) -> None:
        """Finish all connections and wait for their ends, up to so many seconds."""
        connections = list(self._connections.values())
        self._finish(tuple(self._connections))
        with trio.move_on_after(seconds):
            for connection in connections:
                await connection.ended.wait()


async def _had(lock: trio.Lock) -> bool:
    """Whether a lock was had before the patience for it ended."""
    try:
        lock.acquire_nowait()
    except trio.WouldBlock:
        with trio.move_on_after(TURN_S):
            await lock.acquire()
            return True
        return False
    return True
