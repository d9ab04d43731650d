"""The task of one connection of a proxy, and the task that reads its upstream.

Requests pass through the delay line of ``serving/connection.py`` and go to the upstream, answers of
the upstream through the other one and go to the client. A client that does not read its answers
makes the proxy read no further answer, and an upstream that does not read its requests makes it
read no further request, so that TCP makes each wait for the other.

The ends of both sides are carried through: a FIN as a FIN in the same direction, behind everything
that came before it, and a reset as a reset. A request that was read whole is forwarded whole even
if its client is gone.
"""

from collections.abc import Awaitable, Callable, Iterable

import trio

from simulator.events import ClosedBy, CloseReason
from simulator.faults.effects import Ending
from simulator.options import SimulatorError
from simulator.proxying.exchange import HeardAnswer, ProxiedExchanges
from simulator.proxying.rewriting import FoundSpu
from simulator.proxying.upstream import UnreachableError, UpstreamStream
from simulator.serving.connection import RECEIVE_BYTES_MAX, RECEIVE_BYTES_MIN, ConnectionTask
from simulator.serving.exchange import StreamAction
from simulator.serving.pending import PendingAnswer, PendingEnd, PendingRequest
from simulator.serving.states import WritingState
from simulator.serving.timers import ChangeSignal
from simulator.serving.transit import Transit
from simulator.serving.transport import Stream
from wire.codec import WireError

ANSWERS_S = 5.0
"""The time, in seconds, for the upstream to answer what it got, before a connection whose client is
gone is ended: the answers tell what it has stored. A server deals with the requests first in any
case."""

_GONE = (trio.BrokenResourceError, trio.ClosedResourceError)


class ProxiedTask(ConnectionTask):
    """Serves one connection with a server behind it.

    Args:
        exchanges: the state of the connection.
        stream: the stream of the client.
        reset: closes that stream immediately so that the client sees a reset.
        start_soon: starts a task that may live as long as the proxy.
        transit: the memory budget for requests and answers in transit.
        connect: connects to the server behind it.
        know: gives each SPU that an answer describes a listener.
    """

    def __init__(
        self,
        exchanges: ProxiedExchanges,
        stream: Stream,
        reset: Callable[[Stream], None],
        start_soon: Callable[..., object],
        transit: Transit,
        connect: Callable[[], Awaitable[UpstreamStream]],
        know: Callable[[list[FoundSpu]], Awaitable[None]],
    ) -> None:
        super().__init__(exchanges, stream, reset, start_soon, transit)
        self._proxied = exchanges
        self._connect = connect
        self._know = know
        self._upstream: UpstreamStream
        self._heard = trio.Event()
        self._moved = ChangeSignal()
        """Sent when an answer was passed on, or no more will come."""

    async def serve(self, port: int) -> None:
        """Serve the connection to its end; the caller closes the client's stream.

        Args:
            port: the port of the client; 0 if it is not known.
        """
        exchanges = self._proxied
        exchanges.opened(port)
        try:
            try:
                self._upstream = await self._connect()
            except UnreachableError as error:
                self._carry_out(exchanges.unreachable(str(error)))
            else:
                await self._serve()
        finally:
            self._share.close()
            exchanges.closed()

    async def _serve(self) -> None:
        self._start_soon(self._hear)
        try:
            with self._reader:
                await self._read()
            await self._close_when_drained()
            await self._requests.drained()
            while self._proxied.calls.holding and not self._lost_client:
                await self._moved.wait()
            if self.stalled:
                await self._cut.wait()
            await self._end_upstream()
            await self._heard.wait()
            await self._answers.drained()
            await self._close_when_drained()  # for an end that was queued after answers
        finally:
            await self._upstream.close()

    @property
    def _lost_client(self) -> bool:
        """Whether the client, or the proxy, has reset the connection to the client."""
        return self._cut.is_set() or self._proxied.client_left is CloseReason.RESET

    # --- requests

    async def _deliver(self, request: PendingRequest) -> None:
        """Forward a request that is due."""
        try:
            for due in self._proxied.due(request):
                out = due if isinstance(due, PendingEnd) else self._proxied.forward(due)
                if isinstance(out, bytes):
                    await self._upstream.stream.send_all(out)
                else:
                    self._proxied.calls.hold(out)
                    # Behind the end of the upstream no answer comes to wait for.
                    await self._release(all_of_them=self._heard.is_set())
        except WireError as error:
            self._carry_out(self._proxied.undecodable(error))
        except _GONE:
            await self._upstream_ended("rst")
        finally:
            self._share.dealt_with(request.frame.size)
            self._proxied.forwarded(request)

    async def _end_upstream(self) -> None:
        """End the direction to the upstream as the client ended it, or close both directions."""
        left = self._proxied.client_left
        if left is CloseReason.FIN and self._proxied.writing is WritingState.OPEN:
            await self._upstream.send_eof()
            while not (self._heard.is_set() or self._cut.is_set()):
                await self._moved.wait()
            if self._heard.is_set():
                return
        with trio.move_on_after(ANSWERS_S):
            while self._proxied.calls.awaiting and not self._heard.is_set():
                await self._moved.wait()
        if left is CloseReason.RESET:
            await self._upstream.reset()
        else:
            await self._upstream.close()

    # --- answers

    async def _hear(self) -> None:
        """Read the answers of the upstream to its end."""
        try:
            how: Ending | None = None
            try:
                await self._hear_answers()
                how = "half-close"
            except trio.BrokenResourceError:
                how = "rst"
            except trio.ClosedResourceError:
                pass  # we closed it
            except WireError as error:
                self._carry_out(self._proxied.undecodable(error))
            except SimulatorError as error:  # no listener for an SPU that an answer describes
                self._carry_out(self._proxied.unreachable(str(error)))
            if how is not None:
                await self._upstream_ended(how)
        finally:
            self._heard.set()
            await self._release(all_of_them=True)

    async def _hear_answers(self) -> None:
        exchanges, size = self._proxied, RECEIVE_BYTES_MIN
        while data := await self._upstream.stream.receive_some(size):
            for heard in exchanges.heard(bytes(data)):
                if heard.news is not None:
                    await self._know(heard.news.found)
                await self._pass(heard)
            size = max(RECEIVE_BYTES_MIN, min(exchanges.missing_of_answer, RECEIVE_BYTES_MAX))

    async def _pass(self, heard: HeardAnswer) -> None:
        await self._put(self._proxied.answered(heard))
        if self._proxied.calls.holding:
            await self._release()
        self._moved.send()

    def _carry_out(self, actions: Iterable[StreamAction]) -> None:
        """Carry out actions; nothing waits for the upstream once the connection is reset."""
        super()._carry_out(actions)
        self._moved.send()

    async def _release(self, *, all_of_them: bool = False) -> None:
        """Pass on what waited for earlier requests and need not wait any longer."""
        for item in self._proxied.calls.released(all_of_them=all_of_them):
            await self._put(item)
        self._moved.send()

    async def _put(self, item: PendingAnswer | PendingEnd) -> None:
        if isinstance(item, PendingEnd):
            await self._answers.put(item, size=0)
            return
        transit, size = self._transit, len(item.frame)
        if transit.answers > transit.half:
            await transit.answers_fit()
        self._share.answer_made(size)
        await self._answers.put(item, size, item.delay_s)

    async def _upstream_ended(self, how: Ending) -> None:
        """End the connection to the client as the upstream ended, behind all of its answers."""
        await self._release(all_of_them=True)
        await self._put(PendingEnd(how, ClosedBy.UPSTREAM))
