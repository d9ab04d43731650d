"""The connections to SPUs: one for each, shared by all partitions and producers.

**A dial belongs to no waiter.** The naive way lets the request that needs a connection dial, within
its own time, and throws the dial away when that time is over. Requests that come closer together
than connecting takes then end one dial after the other, and none is ever finished; and where each
waits only so long for the dial of another one, a slow line gets a dial from each partition.
So a dial is a task of the pool. Requests *wait* for it, leave when their own time is over, and take
nothing down. There is one dial at a time to each SPU, and a new one only while a request waits:

- Its bound counts from its start: the longest wait of an attempt among those who asked for that
  SPU.
- A dial on which the SPU has been silent for ``SILENCE_S`` while a request waits is given up for a
  new one, at no cost to those who wait: one lost greeting costs a second and not the whole wait.
  Each dial given up doubles that time, for lines whose round trip is longer.
- A failed dial ends the attempts that had begun when it began. One that joined later has the next
  dial.
- After a failed dial the next one waits for ``BACKOFF_S``, twice as long each time up to
  ``BACKOFF_MAX_S``, and without jitter: one client dials one SPU, and determinism is worth more
  here. It starts again at ``BACKOFF_S`` once a request was answered, not once the SPU was reached:
  one that greets and falls over each time is not well.

A connection is told that nothing more will come (FIN) only when the last producer that sent on it
leaves. So each producer says which SPUs it sends to, from its beginning to its end; another one's
requests, under way or in line, would else be at the mercy of what an SPU makes of a FIN.
"""

import ssl
from collections.abc import Collection, Container, Iterable

import trio

from producer.errors import ConnectError
from producer.net.connection import Connection
from producer.net.dialling import Dial, open_connection
from producer.net.metadata import SPUS_MAX, SpuEndpoint
from wire.address import Address
from wire.profile import TlsPolicy

BACKOFF_S = 0.020
BACKOFF_MAX_S = 1.0
"""The pause behind a failed dial: as short as the default policy's first retry, and never so long
that an SPU that came back is missed."""

SILENCE_S = 1.0
"""How long an SPU may be silent while it is dialled and a request waits: the round trip is shorter
on nearly every line, and a second is short beside the wait of one attempt."""


class _Waiter:
    """An attempt that waits for a connection."""

    __slots__ = ("failure", "woken")

    def __init__(self) -> None:
        self.woken = trio.Event()
        """The SPU was reached, or the dial that the attempt waited for failed."""
        self.failure: ConnectError | None = None


class _Spu:
    """What the pool knows of one SPU: the connection in use, the dial, and who waits for it."""

    def __init__(self, endpoint: SpuEndpoint) -> None:
        self.endpoint = endpoint
        """Where it is to be dialled."""
        self.connection: Connection | None = None
        self.reached = endpoint
        """Where ``connection`` leads."""
        self.waiters: dict[_Waiter, None] = {}
        self.wait_s = 0.0
        """The longest wait of an attempt among those who asked."""
        self.task: trio.CancelScope | None = None
        """Around backoff and dial, for as long as the task that dials lives."""
        self.next_dial_at = 0.0
        self._backoff_s = BACKOFF_S
        self._silence_s = SILENCE_S
        self._dial: trio.CancelScope | None = None
        self._dialled_at = 0.0
        self._heard_at = 0.0
        self._silent_s = 0.0
        """The longest silence of the dial under way."""

    @property
    def usable(self) -> Connection | None:
        """The connection in use, if it leads where the SPU is now."""
        found = self.connection
        if found is None or not found.usable or self.reached != self.endpoint:
            return None
        return found

    @property
    def idle(self) -> bool:
        """Whether nothing is lost when the pool forgets it."""
        return self.task is None and self.usable is None

    def moved(self, endpoint: SpuEndpoint) -> None:
        """It is somewhere else now: what was tried where it was says nothing of there."""
        self.endpoint = endpoint
        self._backoff_s, self._silence_s, self.next_dial_at = BACKOFF_S, SILENCE_S, 0.0
        if self.task is not None:
            self.task.cancel()
        if self.usable is not None:  # it is back where it was
            self._wake()

    def was_answered(self) -> None:
        """A request other than the greeting was answered."""
        self._backoff_s = BACKOFF_S

    # --- the dial under way

    def begin(self) -> trio.CancelScope:
        """A dial begins; returns the scope that ends it in time."""
        self._dialled_at = self._heard_at = trio.current_time()
        self._silent_s = 0.0
        self._dial = trio.CancelScope()
        self.set_deadline()
        return self._dial

    def heard(self) -> None:
        """The SPU answered something."""
        now = trio.current_time()
        self._silent_s = max(self._silent_s, now - self._heard_at)
        self._heard_at = now
        self.set_deadline()

    def set_deadline(self) -> None:
        """Set when the dial ends, which depends on who waits."""
        if self._dial is not None:
            deadline = self._dialled_at + self.wait_s
            if self.waiters:
                deadline = min(deadline, self._heard_at + self._silence_s)
            self._dial.deadline = deadline

    def succeeded(self, made: Connection, endpoint: SpuEndpoint) -> None:
        """The dial led to a connection; the one before is retired."""
        self._silence_s = max(SILENCE_S, 2 * self._silent_s)
        if self.connection is not None:
            self.connection.retire()
        self.connection, self.reached = made, endpoint
        self._wake()

    def _wake(self) -> None:
        waiters, self.waiters = self.waiters, {}
        for waiter in waiters:
            waiter.woken.set()

    def timed_out(self) -> bool:
        """The dial ended without an answer; whether its bound is over, or else it is given up."""
        if trio.current_time() >= self._dialled_at + self.wait_s:
            return True
        self._silence_s *= 2
        return False

    def failed(self, error: ConnectError, begun: Iterable[_Waiter]) -> None:
        """The dial failed, which ends the attempts that had ``begun`` when it began."""
        for waiter in begun:
            self.waiters.pop(waiter, None)
            waiter.failure = error
            waiter.woken.set()
        self.next_dial_at = trio.current_time() + self._backoff_s
        self._backoff_s = min(2 * self._backoff_s, BACKOFF_MAX_S)

    def end(self) -> None:
        """No dial is under way."""
        self._dial = None


class Pool:
    """Connections to SPUs, opened when they are needed.

    Args:
        nursery: what the connections' tasks and the dials live in.
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
        self._open_stream = dial
        self._tls = tls
        self._context = context
        self._spus: dict[int, _Spu] = {}
        """By id."""
        self._users: dict[int, Container[int]] = {}
        """By identity: two producers may have sent to the same SPUs, and are two all the same."""

    def join(self, spus: Container[int]) -> None:
        """A producer begins; ``spus`` is where it keeps the ids of the SPUs that it has sent to.

        An SPU must be there before the producer's next checkpoint after ``connection``.
        """
        self._users[id(spus)] = spus

    def leave(self, spus: Container[int]) -> None:
        """That producer will send nothing more; it may have left before."""
        self._users.pop(id(spus), None)

    async def connection(self, endpoint: SpuEndpoint, wait_s: float) -> Connection:
        """A usable connection to an SPU.

        The caller may give up at any time; the dial that it waits for goes on.

        Args:
            endpoint: the SPU, and where it is now.
            wait_s: how long one attempt of the caller takes at most, in seconds.

        Raises:
            ConnectError: a dial that began after this call failed.
        """
        spu = self._spus.get(endpoint.spu) or self._new(endpoint)
        if spu.endpoint != endpoint:
            spu.moved(endpoint)
        while True:
            found = spu.usable
            if found is not None:
                return found
            await self._wait(spu, wait_s)

    async def _wait(self, spu: _Spu, wait_s: float) -> None:
        """Wait for a dial, which is begun unless there is one."""
        waiter = _Waiter()
        spu.waiters[waiter] = None
        spu.wait_s = max(spu.wait_s, wait_s)
        spu.set_deadline()
        if spu.task is None:
            spu.task = trio.CancelScope()
            self._nursery.start_soon(self._connect, spu)
        try:
            await waiter.woken.wait()
        finally:
            spu.waiters.pop(waiter, None)
            spu.set_deadline()
        if waiter.failure is not None:
            raise ConnectError(str(waiter.failure)) from waiter.failure.__cause__

    def _new(self, endpoint: SpuEndpoint) -> _Spu:
        if len(self._spus) >= SPUS_MAX:
            self._spus = {n: spu for n, spu in self._spus.items() if not spu.idle}
        spu = self._spus[endpoint.spu] = _Spu(endpoint)
        return spu

    # --- the task of a dial

    async def _connect(self, spu: _Spu) -> None:
        """Dial, one dial after the other, for as long as a request waits."""
        while spu.waiters:
            with trio.CancelScope() as spu.task:
                if spu.next_dial_at > trio.current_time():
                    await trio.sleep_until(spu.next_dial_at)
                else:
                    await trio.lowlevel.checkpoint()  # as sleeping does, at less cost
                if spu.waiters:
                    await self._dial(spu)
        spu.task = None

    async def _dial(self, spu: _Spu) -> None:
        endpoint, begun = spu.endpoint, tuple(spu.waiters)
        try:
            with spu.begin():
                made = await open_connection(
                    self._open_stream,
                    endpoint.host,
                    endpoint.port,
                    client_id=self.client_id,
                    tls=self._context,
                    server_name=self._tls.spu_name(endpoint.name),
                    heard=spu.heard,
                    answered=spu.was_answered,
                )
                self._nursery.start_soon(made.run)
                spu.succeeded(made, endpoint)
                return
            if spu.timed_out():
                address = Address(endpoint.host, endpoint.port)
                text = f"cannot connect to {address}: no answer within {spu.wait_s:g} s"
                spu.failed(ConnectError(text), begun)
        except ConnectError as error:
            spu.failed(error, begun)
        finally:
            spu.end()

    # --- goodbye

    def finish(self, spus: Collection[int]) -> None:
        """That producer leaves and tells its SPUs so, unless others still send to them.

        Answers are still read.
        """
        self.leave(spus)
        users = self._users.values()
        self._finish([spu for spu in spus if not any(spu in others for others in users)])

    def _finish(self, spus: Iterable[int]) -> None:
        for number in spus:
            spu = self._spus.get(number)
            if spu is not None and spu.connection is not None:
                spu.connection.finish()
                spu.connection = None

    async def close(self, seconds: float) -> None:
        """Finish all connections and wait for their ends, up to so many seconds."""
        connections = [spu.connection for spu in self._spus.values() if spu.connection is not None]
        for spu in self._spus.values():
            if spu.task is not None:
                spu.task.cancel()
        self._finish(tuple(self._spus))
        with trio.move_on_after(seconds):
            for connection in connections:
                await connection.ended.wait()
