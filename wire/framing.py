"""Frames: a 4-byte length followed by that many bytes, for requests and responses.

Source: ``crates/fluvio-protocol/src/codec/mod.rs`` and ``api/mod.rs``.
"""

import struct
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from wire.codec.errors import WireError
from wire.codec.message import encode, encode_to, message
from wire.codec.types import Buffer, i16, i32, u16

FRAME_BYTES_MAX = 64 * 1024 * 1024
"""The largest length that a frame may announce. The official codec has no limit. An SPU stores
batches of up to 32 MiB, and twice that leaves room for the other fields."""

REQUEST_BYTES_MIN = 10
"""The shortest request: key, version, correlation id, and an empty client id."""

LENGTH_BYTES = 4
"""The size of the length prefix of a frame, which does not count itself."""

RESPONSE_BYTES_MIN = 4
"""The shortest response: a correlation id."""

_LENGTH = struct.Struct(">i")
_REPLY = struct.Struct(">ii")
_REQUEST = struct.Struct(">iHhi")
_CLIENT_ID_AT = 8
"""Where the client id begins in the header of a request."""


@message
class RequestHeader:
    """The header of every request; the header itself has no versions."""

    api_key: u16
    api_version: i16
    correlation_id: i32
    client_id: str


class FrameReader:
    """Splits a byte stream into frames, independently of how the stream is chunked.

    Args:
        shortest: the minimum length of a frame, in bytes.
        longest: the maximum length of a frame, in bytes.
    """

    def __init__(self, shortest: int, longest: int = FRAME_BYTES_MAX) -> None:
        self._shortest = shortest
        self._longest = longest
        self._held = bytearray()
        self._consumed = 0
        """How many of the held bytes belong to frames that were yielded."""
        self._missing = LENGTH_BYTES

    @property
    def missing(self) -> int:
        """The bytes missing from the incomplete frame, or from the next length prefix."""
        return self._missing

    @property
    def held(self) -> int:
        """The bytes of the incomplete frame that have arrived."""
        return max(0, len(self._held) - self._consumed)

    def partial(self, limit: int) -> bytes:
        """Return the first ``limit`` bytes of the incomplete frame, its length included."""
        return bytes(self._held[self._consumed : self._consumed + limit])

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Feed bytes; return an iterator over the complete frames, without their lengths.

        The caller must exhaust the iterator before it feeds more bytes. The reader never buffers
        more bytes than have arrived.

        Raises:
            WireError: the length of a frame is out of range. The frames before it are yielded
                first; the reader is unusable afterwards.
        """
        if not self._held and len(data) >= LENGTH_BYTES:
            (length,) = _LENGTH.unpack_from(data)
            if length + LENGTH_BYTES == len(data) and self._shortest <= length <= self._longest:
                # The usual read, one frame and nothing else, needs no generator.
                return iter((data[LENGTH_BYTES:],))
        return self._split(data)

    def _split(self, data: bytes) -> Iterator[bytes]:
        """Yield each complete frame of what is held and of ``data``, and hold the rest."""
        if self._held or len(data) < self._missing:
            self._held += data
            self._missing -= len(data)
            if self._missing > 0:
                return
        # One copy for each frame: a bytearray cannot be resized while a memoryview of it exists.
        with memoryview(self._held or data) as view:
            position = 0
            while (end := self._end_of_frame(view, position)) <= len(view):
                self._consumed = end  # for a caller that looks before it takes the next frame
                yield bytes(view[position + LENGTH_BYTES : end])
                position = end
            rest = bytearray(view[position:])
        self._consumed = 0
        self._missing = end - position - len(rest)
        self._held = rest

    def _end_of_frame(self, view: memoryview, position: int) -> int:
        """Return the end of the frame at ``position``, or of its length if that is incomplete."""
        if len(view) - position < LENGTH_BYTES:
            return position + LENGTH_BYTES
        (length,) = _LENGTH.unpack_from(view, position)
        if not self._shortest <= length <= self._longest:
            raise WireError(
                f"a frame of {length} bytes; it must be {self._shortest} to {self._longest}"
            )
        return position + LENGTH_BYTES + int(length)


class EncodedBody(bytes):
    """The body of a response that is encoded already, at the version of its request."""

    __slots__ = ()


def request_frame(header: RequestHeader, body: Any) -> bytes:
    """Return the frame of a request; ``body`` is encoded at the version in the header.

    Raises:
        WireError: a field does not fit its type.
    """
    return framed_request(
        header.api_key, header.api_version, header.correlation_id, header.client_id, body
    )


def framed_request(
    api_key: int, api_version: int, correlation_id: int, client_id: str, body: Any
) -> bytes:
    """Return the frame of a request, as ``request_frame`` does, without making a header first."""
    client = _encoded_client_id(client_id)
    parts: list[Buffer] = [b"", client]
    encode_to(parts, body, api_version)
    size = sum(map(len, parts)) + _CLIENT_ID_AT
    try:
        parts[0] = _REQUEST.pack(size, api_key, api_version, correlation_id)
    except struct.error as error:
        raise WireError(f"{RequestHeader.__name__}: {error}") from error
    return b"".join(parts)


@lru_cache(maxsize=64)
def _encoded_client_id(client_id: str) -> bytes:
    """Return the end of a header, which all requests of a client have in common."""
    header = RequestHeader(api_key=0, api_version=0, correlation_id=0, client_id=client_id)
    return encode(header, 0)[_CLIENT_ID_AT:]


def response_frame(correlation_id: int, body: Any, version: int) -> bytes:
    """Return the frame of a response; ``body`` is encoded at the version of its request, unless it
    is an ``EncodedBody``.

    Raises:
        WireError: a field does not fit its type, or the frame would be too long.
    """
    parts: list[Buffer] = [b""]
    if body.__class__ is EncodedBody:
        parts.append(body)
    else:
        encode_to(parts, body, version)
    size = sum(map(len, parts)) + RESPONSE_BYTES_MIN
    if size > FRAME_BYTES_MAX:
        raise WireError(f"a response of {size} bytes; at most {FRAME_BYTES_MAX}")
    parts[0] = _REPLY.pack(size, correlation_id)
    return b"".join(parts)
