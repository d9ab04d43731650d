"""The application of requests by handlers, also of one of which a fault refuses a part."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import GeneratorType
from typing import Any, Literal

from simulator.cluster.cluster import Cluster, Partition, Spu
from simulator.faults.effects import CutPoint, StruckEntries
from simulator.handlers import (
    CommitWait,
    Context,
    Held,
    Pause,
    ServedApi,
    WaitUntil,
    apis_of,
    served_by,
)
from simulator.handlers.codes import code_of
from simulator.serving.exchange import Exchanges, SharedState
from simulator.serving.pending import Application, PendingAnswer, PendingRequest
from wire.connection import ServerConnection


@dataclass(slots=True)
class SimulatorState(SharedState):
    """The state that all connections of a simulator share."""

    cluster: Cluster
    clock: Callable[[], float]
    """The time, in seconds of the simulator's clock."""
    call_at: Callable[[float, Callable[[], None]], None]
    """Calls a function at a time of that clock, or soon if the time has passed."""


class AppliedExchanges(Exchanges):
    """The exchanges of one connection with handlers, which apply requests to the cluster.

    Args:
        shared: the state that all connections share.
        number: the number of the connection, from 1 in the order in which they are accepted.
        spu: the SPU that the client connected to, or None for the SC.
        push: receives each answer to a request after its first one.
        when_room: calls a function soon, once there is room for one more answer.
    """

    def __init__(
        self,
        shared: SimulatorState,
        number: int,
        spu: Spu | None,
        push: Callable[[PendingAnswer], None],
        when_room: Callable[[Callable[[], None]], None],
    ) -> None:
        server: Literal["sc", "spu"] = "sc" if spu is None else "spu"
        super().__init__(shared, number, spu, served_by(server), ServerConnection(apis_of(server)))
        self._state = shared
        self._push = push
        self._held = Held(shared.clock, shared.call_at, when_room)

    def closed(self) -> None:
        """Record that the connection has ended and all requests are applied."""
        for call in self._held.at_close:
            call()
        super().closed()

    def apply(self, application: Application, now: float) -> Any:
        """Apply a request with its handler.

        Args:
            application: the application.
            now: the time, in seconds of the simulator's clock.

        Returns:
            The response, or a generator that yields each ``CommitWait``, ``WaitUntil`` and
            ``Pause``, receives whether the commit came in time, and returns the response.

        Raises:
            WireError: the handler rejects the request as invalid.
        """
        request = application.request
        context = Context(
            self._state.cluster,
            self._spu,
            request.frame.header.api_version,
            now,
            partial(self._appended, application, now),
            partial(self._push_news, request),
            self._held,
        )
        if application.code is None:
            return request.served_api.handle(request.body, context)
        target = request.verdict.target if request.verdict else None
        return partly_refused(request.served_api, request.body, context, application.code, target)

    def _appended(
        self,
        application: Application,
        now: float,
        partition: Partition,
        base_offset: int,
        records: int,
        entry: int,
    ) -> None:
        """Record an append, and remove what the log may not hold any longer."""
        application.stored += records
        self._state.journal.unanswered_records += records
        self._events.appended(application, partition, base_offset, records, now, entry)
        if partition.log.evict(now):
            self._events.evicted(partition)

    def _push_news(self, request: PendingRequest, response: Any) -> None:
        self._push(self._news(request, response))

    def answered(self, application: Application, response: Any) -> PendingAnswer:
        """Frame a response; the answer must be written after its ``delay_s``.

        Raises:
            WireError: the response does not fit into a frame.
        """
        request = application.request
        verdict = self._ask(request, CutPoint.RESPONSE) if request.exchange.marks else None
        header = request.frame.header
        if verdict is not None:
            header, response = self._altered(request, response, verdict)
        frame = self._wire.response(header, response)
        return self._pending(request, frame, verdict, application.stored)

    def _news(self, request: PendingRequest, response: Any) -> PendingAnswer:
        """Frame a further response to a request that was answered."""
        plan, exchange = self._shared.plan, request.exchange
        exchange.news += 1
        if exchange.changes < plan.changes:
            plan.begin(exchange)
        return self.answered(Application(request), response)


def partly_refused(
    served_api: ServedApi,
    request: Any,
    context: Context,
    code_name: str,
    target: StruckEntries | None,
) -> Generator[CommitWait | WaitUntil | Pause, bool, Any]:
    """Apply the part of a request that a fault does not refuse; return the response.

    Yields the waits of the handler.

    Args:
        served_api: the API of the request.
        request: the whole request.
        context: the context of the request.
        code_name: the name of the error code for the refused part.
        target: the entries that are refused, or None for the whole request.
    """
    codes = served_api.codes
    assert codes is not None, "an error fault needs an API with a field for its code"
    found, response = codes.remaining(request, target), None
    if found is not None:
        remaining, kept = found
        response = served_api.handle(remaining, _at_places(context, kept))
        if response.__class__ is GeneratorType:
            response = yield from response
    code = code_of(code_name, request, target)
    return codes.refused(request, response, target, code, context.version)


def _at_places(context: Context, kept: Sequence[int]) -> Context:
    """Return the context for a part of a request, whose entries have these positions."""

    def appended(partition: Partition, base_offset: int, records: int, entry: int) -> None:
        context.appended(partition, base_offset, records, kept[entry])

    return replace(context, appended=appended)
