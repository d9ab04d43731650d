"""One connection of a proxy without IO: the verdicts of ``serving/exchange.py``, with a server
behind it in place of handlers.

A request is decoded if a fault concerns its API, if its answer can hold addresses, or if an event
tells its partitions. Everything else passes as it came. A request that must be decoded and is in a
version that ``wire`` does not declare ends the connection, because a fault could not be placed in
it, nor an address be found in its answer; ApiVersions offers no such version.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

from simulator.cluster.cluster import Spu
from simulator.events import ClosedBy, CloseReason
from simulator.faults.effects import CutPoint
from simulator.handlers import ServedApi, served_by
from simulator.handlers.codes import code_of
from simulator.proxying.calls import Calls, ForwardedCall
from simulator.proxying.rewriting import ADDRESSED, SpuNews, narrowed, spu_news
from simulator.serving.exchange import Exchanges, SharedState, StreamAction
from simulator.serving.pending import Application, PendingAnswer, PendingRequest
from wire.address import Address
from wire.api import API_VERSIONS
from wire.api.api import Api
from wire.codec import WireError, decode
from wire.codec.message import message
from wire.connection import ServerConnection
from wire.framing import LENGTH_BYTES, RESPONSE_BYTES_MIN, FrameReader, request_frame

_ID = slice(4, 8)
"""The correlation id in a request without its length."""

UNDECLARED_MAX = 1_000
"""The APIs without a declaration that are remembered: a peer chooses the keys."""

VERSION_MAX = 0x7FFF
"""Versions are i16."""


@message
class Unread:
    """The body of a message whose API is not declared; it is never read."""


def _unhandled(request: Any, context: Any) -> Any:
    raise NotImplementedError


@lru_cache(UNDECLARED_MAX)
def undeclared(key: int) -> ServedApi:
    """Return a stand-in for an API of which only the key is known; its frames pass as they are."""
    name = f"api-{key}"
    api = Api(name, key, 0, VERSION_MAX, Unread, Unread, server="any", declared=False)
    return ServedApi(api=api, handle=_unhandled)


class EveryServedApi(dict[int, ServedApi]):
    """Served APIs by key, with a stand-in for each key that is not declared."""

    def __missing__(self, key: int) -> ServedApi:
        return undeclared(key)


class EveryApi(dict[int, Api[Any, Any]]):
    """APIs by key, with a stand-in for each key that is not declared."""

    def get(self, key: int, default: Any = None) -> Any:
        """Return the API with a key; there is always one."""
        found = super().get(key)
        return undeclared(key).api if found is None else found


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


class ProxiedExchanges(Exchanges):
    """The exchanges of one connection with a server behind it.

    Args:
        shared: the state that all connections share.
        number: the number of the connection, from 1 in the order in which they are accepted.
        spu: the SPU that the client connected to, or None for the SC.
        address_of: the addresses that clients are told.
    """

    def __init__(
        self, shared: SharedState, number: int, spu: Spu | None, address_of: AddressOf
    ) -> None:
        declared = served_by("sc" if spu is None else "spu")
        super().__init__(shared, number, spu, EveryServedApi(declared))
        self._declared = declared
        self._wire = ServerConnection(EveryApi({k: each.api for k, each in declared.items()}))
        self._address_of = address_of
        self.calls = Calls()
        self._upstream = FrameReader(RESPONSE_BYTES_MIN)

    @property
    def client_left(self) -> CloseReason | None:
        """How the client ended the connection, FIN or RESET; None if it did not."""
        by, reason = self._closed
        return reason if by is ClosedBy.CLIENT else None

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
        if application.code is not None:
            found = self._remaining(request)
            if found is None:
                return self._passed(application, b"", self._joined(application, None))
            body, changed = found, True
        correlation_id = self.calls.add(application)
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
        if verdict is not None and verdict.terminal.code is not None:
            request.body = without_records(request.body)
        else:
            request.body = request.commit_terms  # an error code can need the timeout

    def _remaining(self, request: PendingRequest) -> Any:
        """Return the part of a request that a fault does not refuse, or None."""
        codes, verdict = request.served_api.codes, request.verdict
        assert codes is not None, "an error fault needs an API with a field for its code"
        assert verdict is not None
        found = codes.remaining(request.body, verdict.target)
        return None if found is None or not found[1] else found[0]

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
        return self._pending(request, frame, verdict, 0)

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


def without_records(request: Any) -> Any:
    """Return a request with its entries and without their records."""
    if not any(hasattr(p, "records") for t in getattr(request, "topics", ()) for p in t.partitions):
        return request
    topics = [
        replace(topic, partitions=[replace(each, records=b"") for each in topic.partitions])
        for topic in request.topics
    ]
    return replace(request, topics=topics)
