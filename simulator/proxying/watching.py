"""The proxy's own watch of the SPUs: which there are, and where they listen."""

import logging
from collections import deque

import trio

from simulator.options import SimulatorError
from simulator.proxying.rewriting import found_spu
from simulator.proxying.spus import ProxiedSpus
from simulator.proxying.upstream import UnreachableError, Upstream, UpstreamStream
from wire.api import WATCH
from wire.api.admin import WatchOptions, WatchRequest, WatchResponse
from wire.api.envelope import SPU, seal
from wire.api.objects import ChangeKind, SpuUpdate
from wire.codec import WireError, decode
from wire.connection import ClientConnection

CLIENT_ID = "spu-simulator-proxy"

ANSWER_S = 10.0
"""The time for the greeting and for the first answer."""

AGAIN_S = 1.0
"""The pause before the watch is begun again after it ended."""

RECEIVE_BYTES = 64 * 1024

logger = logging.getLogger("simulator")


class SpuWatch:
    """Follows the SPUs of the upstream.

    Args:
        upstream: the cluster.
        spus: what is kept up to date.
    """

    def __init__(self, upstream: Upstream, spus: ProxiedSpus) -> None:
        self._upstream = upstream
        self._spus = spus
        self._synced = trio.Event()
        self._failure: Exception | None = None

    async def first(self) -> None:
        """Wait until all SPUs are known.

        Raises:
            SimulatorError: the SC cannot be watched, or a port is not free.
        """
        await self._synced.wait()
        if self._failure is not None:
            raise SimulatorError(f"the upstream SC, {self._failure}") from self._failure

    async def run(self) -> None:
        """Follow for ever; give up if the first watch does not begin."""
        while True:
            try:
                await self._follow()
            except (UnreachableError, SimulatorError, WireError, trio.BrokenResourceError) as error:
                if not self._synced.is_set():
                    self._failure = error
                    self._synced.set()
                    return
                logger.warning("the watch of the upstream's SPUs begins again: %s", error)
            await trio.sleep(AGAIN_S)

    async def _follow(self) -> None:
        """Follow until the watch ends.

        Raises:
            UnreachableError: the SC cannot be connected to, or does not answer.
            SimulatorError: a port is not free.
            WireError: the SC does not speak the protocol.
            trio.BrokenResourceError: the connection broke.
        """
        connection = await self._upstream.connect(self._upstream.sc)
        try:
            answers = _Answers(connection)
            try:
                with trio.fail_after(ANSWER_S):
                    version = await answers.begin()
                    await self._take(decode(WATCH.response, await answers.next(), version), version)
            except trio.TooSlowError as error:
                raise UnreachableError(f"{self._upstream.sc}: does not answer") from error
            self._synced.set()
            while True:
                await self._take(decode(WATCH.response, await answers.next(), version), version)
        finally:
            await connection.close()

    async def _take(self, response: WatchResponse, version: int) -> None:
        update = response.object.open(SpuUpdate, version)
        if update.all:
            await self._spus.keep_only([found_spu(each) for each in update.all])
        for change in update.changes:
            if change.kind is ChangeKind.DELETE:
                await self._spus.remove([change.content.spec.id])
            else:
                await self._spus.update([found_spu(change.content)])


class _Answers:
    """The answers of the SC on a connection of the proxy's own.

    Args:
        connection: the connection.
    """

    def __init__(self, connection: UpstreamStream) -> None:
        self._stream = connection.stream
        self._wire = ClientConnection(CLIENT_ID)
        self._received: deque[bytes] = deque()

    async def begin(self) -> int:
        """Greet, and send the request to watch SPUs; return its version."""
        await self._stream.send_all(self._wire.hello())
        self._wire.welcome(await self.next())
        version = self._wire.version_of(WATCH)
        request = WatchRequest(object=seal(SPU, WatchOptions(), version))
        await self._stream.send_all(self._wire.request(WATCH, request, version)[1])
        return version

    async def next(self) -> bytes:
        """Return the body of the next answer."""
        while not self._received:
            data = await self._stream.receive_some(RECEIVE_BYTES)
            if not data:
                raise UnreachableError("it closed the connection")
            self._received += (body for _, body in self._wire.receive(bytes(data)))
        return self._received.popleft()
