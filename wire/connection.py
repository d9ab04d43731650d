"""The client's side of one connection, sans-IO: requests to bytes, bytes to answers.

Source: ``crates/fluvio-socket/src/versioned.rs`` and ``multiplexing.rs``. A connection begins with
ApiVersions under correlation id 1. Only then a counter starts, at 1 again, so that the first
request behind it carries the same id; the pairing is safe because nothing else is in flight before
ApiVersions is answered.
"""

from collections.abc import Iterator
from typing import TypeVar

from wire.api.api import Api
from wire.api.api_versions import API_VERSIONS, ApiVersionsRequest, ApiVersionsResponse
from wire.codec.errors import WireError
from wire.codec.message import decode
from wire.framing import RESPONSE_BYTES_MIN, FrameReader, RequestHeader, request_frame

CLIENT_VERSION = "0.15.2"
"""The ``fluvio-socket`` version that the official client 0.21.0 sends. It must be semver: an SC
closes the connection otherwise."""

API_VERSIONS_VERSION = 2
"""Every official client sends ApiVersions at this version."""

CORRELATION_ID_MAX = 0x7FFFFFFF
"""Correlation ids are i32."""

Q = TypeVar("Q")
R = TypeVar("R")


class ClientConnection:
    """Numbers and frames the requests of one connection and cuts its answers.

    Args:
        client_id: what stands in the header of every request.
    """

    def __init__(self, client_id: str = "fluvio") -> None:
        self._client_id = client_id
        self._reader = FrameReader(RESPONSE_BYTES_MIN)
        self._next_id = 1
        self._offered: dict[int, tuple[int, int]] = {}

    def hello(self) -> bytes:
        """The frame of the first request, ApiVersions, with correlation id 1."""
        body = ApiVersionsRequest(
            client_version=CLIENT_VERSION, client_os="linux", client_arch="x86_64"
        )
        header = RequestHeader(
            api_key=API_VERSIONS.key,
            api_version=API_VERSIONS_VERSION,
            correlation_id=1,
            client_id=self._client_id,
        )
        return request_frame(header, body)

    def welcome(self, body: bytes) -> ApiVersionsResponse:
        """Take the answer to ``hello`` and remember what the server offers.

        Raises:
            WireError: the answer does not decode.
        """
        answer = decode(ApiVersionsResponse, body, API_VERSIONS_VERSION)
        self._offered = {k.api_key: (k.min_version, k.max_version) for k in answer.api_keys}
        return answer

    def version_of(self, api: Api[Q, R]) -> int:
        """The version to speak: the highest that both sides have.

        Raises:
            WireError: the server does not offer the API, or in no version that we have.
        """
        lowest, highest = self._offered.get(api.key, (0, -1))
        version = min(api.max_version, highest)
        if version < max(api.min_version, lowest):
            offer = f"{lowest} to {highest}" if highest >= lowest else "nothing"
            raise WireError(
                f"no common version of {api.name}: "
                f"here {api.min_version} to {api.max_version}, the server offers {offer}"
            )
        return version

    def request(self, api: Api[Q, R], body: Q, version: int) -> tuple[int, bytes]:
        """The next correlation id and the frame of a request."""
        correlation_id = self._next_id
        self._next_id = 1 if correlation_id == CORRELATION_ID_MAX else correlation_id + 1
        header = RequestHeader(
            api_key=api.key,
            api_version=version,
            correlation_id=correlation_id,
            client_id=self._client_id,
        )
        return correlation_id, request_frame(header, body)

    def receive(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take bytes in and give out each answer: its correlation id and its undecoded body.

        The iterator must be used up before more is taken in.

        Raises:
            WireError: the length of a frame is out of range.
        """
        for frame in self._reader.feed(data):
            yield int.from_bytes(frame[:4], "big", signed=True), frame[4:]
