"""One connection of a proxy without IO: the verdicts of ``serving/exchange.py``, with a server
behind it in place of handlers.

A request is decoded if a fault concerns its API, if its answer can hold addresses, or if an event
tells its partitions. Everything else passes as it came. A request that must be decoded and is in a
version that ``wire`` does not declare ends the connection, because a fault could not be placed in
it, nor an address be found in its answer; ApiVersions offers no such version.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from simulator.cluster.cluster import Spu
from simulator.events import ClosedBy, CloseReason
from simulator.faults.effects import CutPoint
from simulator.handlers import apis_of, served_by
from simulator.handlers.codes import code_of
from simulator.proxying.calls import Calls, ForwardedCall, sent_entries, without_records
from simulator.proxying.rewriting import ADDRESSED, SpuNews, narrowed, spu_news
from simulator.proxying.undeclared import EveryApi, EveryServedApi
from simulator.serving.exchange import Exchanges, SharedState, StreamAction
from simulator.serving.pending import Application, PendingAnswer, PendingRequest
from wire.address import Address
from wire.api import API_VERSIONS
from wire.api.api import Api
from wire.api.produce import ProduceRequest, ProduceResponse
from wire.codec import WireError, decode
from wire.connection import ServerConnection
from wire.error_code import Code, RequestTimedOut
from wire.framing import LENGTH_BYTES, RESPONSE_BYTES_MIN, FrameReader, request_frame

_ID = slice(4, 8)
"""The correlation id in a request without its length."""

AddressOf: TypeAlias = Callable[[int], Address | None]
"""Returns the address for clients of the SPU with an id; None if the proxy has no listener."""


@dataclass(slots=True)
class HeardAnswer:
    """An answer of the upstream that was read and is not passed on yet."""

    call: ForwardedCall
    data: bytes
    """The frame without its length."""
    news: SpuNews | None = None
    """The SPUs that the answer describes, or None."""


@dataclass(slots=True)
class ProxyState(SharedState):
    """The state that all connections of a proxy share."""

    untold: int = field(default=0, init=False)
    """The number of produce requests that were forwarded and of which the upstream did not say
    whether it stored them."""


class ProxiedExchanges(Exchanges):
    """The exchanges of one connection with a server behind it.

    Args:
        shared: the state that all connections share.
        number: the number of the connection, from 1 in the order in which they are accepted.
        spu: the SPU that the client connected to, or None for the SC.
        address_of: the addresses that clients are told.
    """

    def __init__(
        self, shared: ProxyState, number: int, spu: Spu | None, address_of: AddressOf
    ) -> None:
        server: Literal["sc", "spu"] = "sc" if spu is None else "spu"
        declared = served_by(server)
        wire = ServerConnection(EveryApi(apis_of(server)))
        super().__init__(shared, number, spu, EveryServedApi(declared), wire)
        self._state = shared
        self._declared = declared
        self._address_of = address_of
        self.calls = Calls()
        self._upstream = FrameReader(RESPONSE_BYTES_MIN)

    @property
    def client_left(self) -> CloseReason | None:
        """How the client ended the connection, FIN or RESET; None if it did not."""
        by, reason = self._closed
        return reason if by is ClosedBy.CLIENT else None

    def closed(self) -> None:
        """Record that the connection has ended and all requests are forwarded."""
        self._state.untold += self.calls.untold
        super().closed()

    def unreachable(self, why: str) -> Iterator[StreamAction]:
        """Reset the connection: the upstream cannot be connected to."""
        self._error = why
        return self.cut(ClosedBy.UPSTREAM, CloseReason.UNREACHABLE)

    # --- requests

    def _decode(self, request: PendingRequest) -> None:
        """Decode the body of a request if that is needed.

        Raises:
            WireError: it is needed, and the body does not decode, or its version is not declared.
        """
        frame, api = request.frame, request.frame.api
        needed = self._must_decode(api)
        if not api.knows(frame.header.api_version):
            if needed:
                raise WireError(
                    f"{api.name} in version {frame.header.api_version}; the proxy reads versions"
                    f" {api.known_from} to {api.max_version}"
                )
        elif needed or (api.names_partitions and self._shared.journal.active):
            try:
                super()._decode(request)
            except WireError:
                if needed:
                    raise

    def _must_decode(self, api: Api[Any, Any]) -> bool:
        return (
            api.name in ADDRESSED
            or api.key == API_VERSIONS.key
            or self._shared.plan.concerns(api.name)
        )

    def forward(self, application: Application) -> bytes | PendingAnswer:
        """Return the frame to send to the upstream, or the answer of a fault that refuses it all.

        Raises:
            WireError: too many requests are not answered.
        """
        request = application.request
        header, body = request.frame.header, request.body
        changed = request.verdict is not None and bool(request.verdict.flips)
        kept: Sequence[int] | None = None
        if application.code is not None:
            found = self._remaining(request)
            if found is None:
                return self._passed(application, b"", self._joined(application, None))
            (body, kept), changed = found, True
        sent = sent_entries(body, kept) if isinstance(body, ProduceRequest) else ()
        correlation_id = self.calls.add(application, sent)
        if changed:
            return request_frame(replace(header, correlation_id=correlation_id), body)
        data = request.frame.data
        length = len(data).to_bytes(LENGTH_BYTES, "big")
        if correlation_id == header.correlation_id:
            return b"".join((length, data))
        own = correlation_id.to_bytes(4, "big")
        return b"".join((length, data[: _ID.start], own, data[_ID.stop :]))

    def forwarded(self, request: PendingRequest) -> None:
        """Forget the bytes of a request, which was forwarded: only its answers are open."""
        request.frame.data = b""
        verdict = request.verdict
        if not isinstance(request.body, ProduceRequest):
            return
        if verdict is not None and verdict.terminal.code is not None:
            request.body = without_records(request.body)  # the answers are joined by its entries
        else:
            request.body = request.commit_terms

    def _remaining(self, request: PendingRequest) -> tuple[Any, Sequence[int]] | None:
        """Return the part of a request that a fault does not refuse, and the positions of its
        entries in the whole request; None if the fault refuses all of it."""
        codes, verdict = request.served_api.codes, request.verdict
        assert codes is not None, "an error fault needs an API with a field for its code"
        assert verdict is not None
        found = codes.remaining(request.body, verdict.target)
        return found if found is not None and found[1] else None

    def _joined(self, application: Application, response: Any) -> Any:
        """Return the response with the entries that a fault refuses.

        Args:
            application: the application.
            response: the response to the remaining part, or None if nothing remained.
        """
        request = application.request
        codes, verdict = request.served_api.codes, request.verdict
        assert codes is not None
        assert verdict is not None
        assert application.code is not None
        code = code_of(application.code, request.body, verdict.target)
        version = request.frame.header.api_version
        return codes.refused(request.body, response, verdict.target, code, version)

    # --- answers

    def heard(self, data: bytes) -> Iterator[HeardAnswer]:
        """Feed bytes of the upstream; yield its answers.

        Raises:
            WireError: they are not answers.
        """
        for frame in self._upstream.feed(data):
            correlation_id = int.from_bytes(frame[:RESPONSE_BYTES_MIN], "big", signed=True)
            call = self.calls.answered(correlation_id)
            if call is None:
                raise WireError(f"an answer of the cluster to no request, id {correlation_id}")
            heard = HeardAnswer(call, frame)
            api = call.application.request.frame.api
            if api.name in ADDRESSED:
                version = call.application.request.frame.header.api_version
                heard.news = spu_news(api, self._response(heard), version)
            yield heard

    @property
    def missing_of_answer(self) -> int:
        """The bytes missing from the incomplete answer of the upstream, or from the next length."""
        return self._upstream.missing

    def answered(self, heard: HeardAnswer) -> PendingAnswer:
        """Return the answer for the client, to be written after its ``delay_s``.

        Raises:
            WireError: the answer does not decode, though it must.
        """
        application = heard.call.application
        request, exchange = application.request, application.request.exchange
        if heard.call.answers > 1:
            exchange.news += 1
            if exchange.changes < self._shared.plan.changes:
                self._shared.plan.begin(exchange)
        response = None
        if heard.call.sent:
            self._record_appends(heard.call, self._response(heard))
        if heard.news is not None:
            version = request.frame.header.api_version
            response = heard.news.rewritten(version, self._address_of)
        elif request.frame.api.key == API_VERSIONS.key:
            response = narrowed(self._response(heard), self._narrows)
        if application.code is not None:
            response = self._joined(application, self._response(heard))
        return self._passed(application, heard.data, response)

    def _passed(self, application: Application, data: bytes, response: Any) -> PendingAnswer:
        """Frame an answer, with the verdict of the faults.

        Args:
            application: what is answered.
            data: the answer of the upstream, without its length.
            response: the response in its place, or None.
        """
        request = application.request
        verdict = self._ask(request, CutPoint.RESPONSE) if request.exchange.marks else None
        header = request.frame.header
        if verdict is not None and (verdict.terminal.code is not None or verdict.forgeries):
            if response is None:
                response = decoded_response(request, data)
            header, response = self._altered(request, response, verdict)
        if response is not None:
            frame = self._wire.response(header, response)
        else:
            own = header.correlation_id.to_bytes(4, "big", signed=True)
            length = len(data).to_bytes(LENGTH_BYTES, "big")
            frame = b"".join((length, own, memoryview(data)[RESPONSE_BYTES_MIN:]))
        return self._pending(request, frame, verdict, application.stored)

    def _record_appends(self, call: ForwardedCall, response: ProduceResponse) -> None:
        """Record what the upstream says that it has appended."""
        application, journal = call.application, self._shared.journal
        results = (each for topic in response.topics for each in topic.partitions)
        for sent, result in zip(call.sent, results, strict=False):
            timed_out = isinstance(result.error_code, RequestTimedOut)
            if sent.records and (result.error_code == Code.NONE or timed_out):
                application.stored += sent.records
                journal.unanswered_records += sent.records
                base_offset = result.base_offset
                # With one replica the commit is the append; with more, the answer does not tell.
                committed = base_offset + (0 if timed_out else sent.records)
                where = sent.topic, sent.partition
                self._events.told_of_append(
                    application, where, base_offset, sent.records, committed, sent.entry
                )

    def _response(self, heard: HeardAnswer) -> Any:
        return decoded_response(heard.call.application.request, heard.data)

    def _narrows(self, key: int) -> Api[Any, Any] | None:
        """Return the API with a key if its range of versions must be narrowed."""
        served = self._declared.get(key)
        return served.api if served is not None and self._must_decode(served.api) else None


def decoded_response(request: PendingRequest, data: bytes) -> Any:
    """Decode the answer to a request.

    Raises:
        WireError: it does not decode.
    """
    version = request.frame.header.api_version
    return decode(request.frame.api.response, data[RESPONSE_BYTES_MIN:], version)
