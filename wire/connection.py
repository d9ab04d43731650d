"""Both sides of one connection, sans-IO: messages to bytes, bytes to messages.

``ClientConnection`` numbers and frames requests and splits the input into responses.
``ServerConnection`` splits the input into requests and frames responses. Neither keeps a list of
unanswered requests; the caller does.

Source: ``crates/fluvio-socket/src/versioned.rs`` and ``multiplexing.rs``. A connection begins with
ApiVersions under correlation id 1. Then a counter starts, at 1 again, so the next request has the
same id. The ids are unambiguous because no other request is in flight before ApiVersions is
answered.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from wire.api.api import Api
from wire.api.api_versions import API_VERSIONS, ApiVersionsRequest, ApiVersionsResponse
from wire.codec.errors import WireError
from wire.codec.message import REPEATED_BYTES_MAX, decode, decode_from, decode_repeated, encode
from wire.framing import (
    LENGTH_BYTES,
    REQUEST_BYTES_MIN,
    RESPONSE_BYTES_MIN,
    FrameReader,
    RequestHeader,
    framed_request,
    response_frame,
)

CLIENT_VERSION = "0.15.2"
"""The ``fluvio-socket`` version that the official client 0.21.0 sends. An SC closes the connection
if the version is not semver."""

API_VERSIONS_VERSION = 2
"""The version at which every official client sends ApiVersions."""

CORRELATION_ID_MAX = 0x7FFFFFFF
"""Correlation ids are i32."""

_CORRELATION_ID = struct.Struct(">i")

_KEY_BYTES = 2
"""The size of the API key, with which a request begins."""

Q = TypeVar("Q")
R = TypeVar("R")


class UnknownApiError(WireError):
    """A request is for an API that the server does not know; all other ``WireError`` of input say
    that it does not decode.

    Args:
        key: the key of the API.
    """

    def __init__(self, key: int) -> None:
        super().__init__(f"unknown api key {key}")
        self.key = key


class ClientConnection:
    """Numbers and frames the requests of one connection and splits its input into responses.

    Args:
        client_id: the client id in the header of every request.
    """

    def __init__(self, client_id: str = "fluvio") -> None:
        self._client_id = client_id
        self._reader = FrameReader(RESPONSE_BYTES_MIN)
        self._next_id = 1
        self._offer = _NO_OFFER

    def hello(self) -> bytes:
        """Return the frame of the first request, ApiVersions, with correlation id 1."""
        return _hello(self._client_id, CLIENT_VERSION)

    def welcome(self, body: bytes) -> ApiVersionsResponse:
        """Decode the response to ``hello`` and store the versions that the server offers.

        Returns:
            The response; it is shared with other connections and must not be changed.

        Raises:
            WireError: the response does not decode.
        """
        self._offer = _shared_offer(body) if len(body) <= REPEATED_BYTES_MAX else _Offer(body)
        return self._offer.answer

    def version_of(self, api: Api[Q, R]) -> int:
        """Return the highest version of an API that both sides support; of an API that no server
        lists, the highest one of ours.

        Raises:
            WireError: the server does not offer the API, or no common version exists.
        """
        return self._offer.versions.get(api.name) or self._offer.version_of(api)

    def request(self, api: Api[Q, R], body: Q, version: int) -> tuple[int, bytes]:
        """Return the next correlation id and the frame of a request."""
        correlation_id = self._next_id
        self._next_id = 1 if correlation_id == CORRELATION_ID_MAX else correlation_id + 1
        frame = framed_request(api.key, version, correlation_id, self._client_id, body)
        return correlation_id, frame

    def receive(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Feed bytes; return an iterator over the complete responses: correlation id and undecoded
        body of each.

        The caller must exhaust the iterator before it feeds more bytes.

        Raises:
            WireError: the length of a frame is out of range.
        """
        return map(_response_in, self._reader.feed(data))


def _response_in(frame: bytes) -> tuple[int, bytes]:
    return _CORRELATION_ID.unpack_from(frame)[0], frame[RESPONSE_BYTES_MIN:]


class _Offer:
    """What a server offers; servers with equal responses share one.

    Args:
        body: the response to ``hello``.

    Raises:
        WireError: the response does not decode.
    """

    def __init__(self, body: bytes) -> None:
        self.answer = decode(ApiVersionsResponse, body, API_VERSIONS_VERSION)
        self._ranges = {k.api_key: (k.min_version, k.max_version) for k in self.answer.api_keys}
        self.versions: dict[str, int] = {}
        """The highest common version of each API that was asked for, by name."""

    def version_of(self, api: Api[Any, Any]) -> int:
        """Return, and keep, the highest common version of an API; errors as in
        ``ClientConnection.version_of``."""
        version = api.max_version
        if api.listed:
            lowest, highest = self._ranges.get(api.key, (0, -1))
            version = min(version, highest)
            if version < max(api.min_version, lowest):
                offer = f"{lowest} to {highest}" if highest >= lowest else "nothing"
                raise WireError(
                    f"no common version of {api.name}: "
                    f"here {api.min_version} to {api.max_version}, the server offers {offer}"
                )
        self.versions[api.name] = version
        return version


_shared_offer = lru_cache(maxsize=64)(_Offer)

_NO_OFFER = _Offer(encode(ApiVersionsResponse(api_keys=[], platform_version=""), 2))
"""What is known before the response to ``hello``."""


@lru_cache(maxsize=64)
def _hello(client_id: str, client_version: str) -> bytes:
    """Return the first request of every connection of a client."""
    body = ApiVersionsRequest(
        client_version=client_version, client_os="linux", client_arch="x86_64"
    )
    return framed_request(API_VERSIONS.key, API_VERSIONS_VERSION, 1, client_id, body)


@dataclass(slots=True)
class RequestFrame:
    """A complete request whose body is not decoded yet."""

    header: RequestHeader
    api: Api[Any, Any]
    data: bytes
    """The frame without its length."""
    body_at: int
    """The position of the body in ``data``."""

    @property
    def size(self) -> int:
        """The size of the frame on the wire in bytes, including the length prefix."""
        return len(self.data) + LENGTH_BYTES

    @property
    def offered(self) -> bool:
        """Whether the version in the header is one that the server offers."""
        return self.api.min_version <= self.header.api_version <= self.api.max_version

    def decode(self) -> Any:
        """Decode the body at the version in the header; it may be shared and must not be changed.

        A version that the server does not offer is decoded, too, if its fields are known.

        Raises:
            WireError: the body does not decode, or the version has other fields.
        """
        if self.header.api_version < self.api.known_from:
            raise WireError(f"{self.api.name} is not served in version {self.header.api_version}")
        api, version = self.api, self.header.api_version
        if api.repeats:
            return decode_repeated(api.request, self.data[self.body_at :], version)
        return decode_from(api.request, self.data, self.body_at, version)[0]


class ServerConnection:
    """Splits the input of one connection into requests and frames its responses.

    Args:
        apis: the APIs that the server knows, by key.
    """

    def __init__(self, apis: Mapping[int, Api[Any, Any]]) -> None:
        self._apis = apis
        self.frames = FrameReader(REQUEST_BYTES_MIN)
        """Splits the input into frames; the caller does not feed it."""

    def partial(self, limit: int) -> tuple[str | None, bytes]:
        """Return what arrived of the incomplete request.

        Args:
            limit: the largest number of bytes to return.

        Returns:
            The name of its API, or None if it is unknown so far, and its first bytes, its length
            included.
        """
        data = self.frames.partial(limit)
        key = data[LENGTH_BYTES : LENGTH_BYTES + _KEY_BYTES]
        api = self._apis.get(int.from_bytes(key, "big")) if len(key) == _KEY_BYTES else None
        return (None if api is None else api.name), data

    def receive(self, data: bytes) -> Iterator[RequestFrame]:
        """Feed bytes; return an iterator over the complete requests.

        The caller must exhaust the iterator before it feeds more bytes.

        Raises:
            UnknownApiError: the API of a request is unknown.
            WireError: the length of a frame is out of range, or a header does not decode. The
                requests before the error are yielded first; the connection is unusable afterwards.
        """
        return map(self._request_in, self.frames.feed(data))

    def _request_in(self, frame: bytes) -> RequestFrame:
        header, body_at = decode_from(RequestHeader, frame, 0, 0)
        api = self._apis.get(header.api_key)
        if api is None:
            raise UnknownApiError(header.api_key)
        return RequestFrame(header, api, frame, body_at)

    def response(self, header: RequestHeader, body: Any) -> bytes:
        """Return the frame of a response to the request with that header.

        Raises:
            WireError: a field does not fit its type, or the frame would be too long.
        """
        return response_frame(header.correlation_id, body, header.api_version)
