"""Declare a message once; encode and decode it at every version.

>>> from wire.codec import decode, encode, message, since
>>> from wire.codec.types import i16, i32
>>> @message
... class Answer:
...     name: str
...     code: i16
...     throttle_time_ms: i32 = since(1, default=0)
>>> encode(Answer(name="a", code=6), version=0).hex()
'0001610006'
>>> decode(Answer, bytes.fromhex("000161000600000005"), version=1)
Answer(name='a', code=6, throttle_time_ms=5)
"""

import dataclasses
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Generic, TypeVar, dataclass_transform, overload

from wire.codec.errors import WireError
from wire.codec.generate import (
    DECODING_FAILURES,
    ENCODING_FAILURES,
    Decode,
    Encode,
    decoder,
    encoder,
)
from wire.codec.schema import thresholds
from wire.codec.types import Buffer

REPEATED_MAX = 128
"""The number of messages that ``decode_repeated`` remembers."""

REPEATED_BYTES_MAX = 4096
"""The largest of them in bytes: what a server offers takes some hundred, the objects of a small
cluster less than a thousand. A peer that sends lists of empty names makes 100 kB of objects from
each, and so 13 MB in all."""

M = TypeVar("M")
F = TypeVar("F")


def since(
    version: int | None = None,
    *,
    until: int | None = None,
    default: Any = dataclasses.MISSING,
    default_factory: Any = dataclasses.MISSING,
) -> Any:
    """Declare a field that is on the wire from API version ``version`` to ``until``, inclusive.

    In other versions the field is not written, and a decoded message holds its default.
    """
    return dataclasses.field(
        default=default,
        default_factory=default_factory,
        metadata={"since": version, "until": until},
    )


@overload
def message(cls: type[M], /) -> type[M]: ...
@overload
def message(*, tag: int) -> Callable[[type[M]], type[M]]: ...
@dataclass_transform(kw_only_default=True, field_specifiers=(since, dataclasses.field))
def message(cls: type[Any] | None = None, /, *, tag: int | None = None) -> Any:
    """Declare a message: a dataclass whose annotations define its encoding.

    Args:
        cls: the class, if the decorator is used without parentheses.
        tag: the number of this message as a variant of a union.
    """

    def declare(declared: type[Any]) -> type[Any]:
        # Not frozen: a frozen dataclass takes four times as long to build, and messages are built
        # for every frame.
        made = dataclasses.dataclass(slots=True, kw_only=True)(declared)
        if tag is not None:
            made.__tag__ = tag
        return made

    return declare if cls is None else declare(cls)


def decode(cls: type[M], data: bytes, version: int) -> M:
    """Decode one message; bytes after it are ignored, as in the official client and server.

    Raises:
        WireError: the bytes end early or hold a value that the protocol does not define.
    """
    return decode_from(cls, data, 0, version)[0]


def decode_repeated(cls: type[M], data: bytes, version: int) -> M:
    """As ``decode``, of a message that peers send again and again, such as what a server offers to
    each connection: equal bytes give the same object, which therefore must not be changed."""
    if len(data) > REPEATED_BYTES_MAX:
        return decode(cls, data, version)
    repeatable: Any = cls
    value: M = _repeated(repeatable, data, version)
    return value


def decode_from(cls: type[M], data: bytes, start: int, version: int) -> tuple[M, int]:
    """Decode one message at ``start``; return it and the position after it."""
    end = len(data)
    try:
        found: tuple[M, int] = _decoders[cls][version](data, start, end)
    except WireError as error:
        raise WireError(f"{cls.__name__} at version {version}: {error}") from None
    except DECODING_FAILURES as error:
        raise WireError(f"{cls.__name__} at version {version}: {_reason(error)}") from error
    # A slice past the end of a buffer is silently short, so the end is checked here, once.
    if found[1] > end:
        raise WireError(f"{cls.__name__} at version {version}: ends {found[1] - end} bytes early")
    return found


def encode(value: Any, version: int) -> bytes:
    """Encode one message.

    Raises:
        WireError: the wire type of a field cannot hold its value.
    """
    parts: list[Buffer] = []
    encode_to(parts, value, version)
    return b"".join(parts)


def encode_to(parts: list[Buffer], value: Any, version: int) -> None:
    """Append the bytes of one message to ``parts`` without copying large fields."""
    cls: type = type(value)
    try:
        _encoders[cls][version](parts, value)
    except ENCODING_FAILURES as error:
        raise WireError(f"{cls.__name__} at version {version}: {error}") from error


@lru_cache(REPEATED_MAX)
def _repeated(cls: type[Any], data: bytes, version: int) -> Any:
    return decode(cls, data, version)


# The peer chooses the version. Only plausible versions are cached, and all versions with the same
# encoding share one function, so no peer can make these tables or the generated code grow.
_VERSIONS_REMEMBERED = range(64)


class _ByVersion(dict[int, F], Generic[F]):
    """The functions of one message by version, each generated when it is first needed."""

    def __init__(self, generate: Callable[[type, int], F], cls: type) -> None:
        self._generate: Callable[[type, int], F] = generate
        self._cls = cls

    def __missing__(self, version: int) -> F:
        made = self._generate(self._cls, _effective(self._cls, version))
        if version in _VERSIONS_REMEMBERED:
            self[version] = made
        return made


class _ByMessage(dict[type, _ByVersion[F]], Generic[F]):
    """The functions of all messages. Two tables one inside the other: a pair of class and version
    as the key of a single one takes four times as long to make and to hash."""

    def __init__(self, generate: Callable[[type, int], F]) -> None:
        self._generate: Callable[[type, int], F] = generate

    def __missing__(self, cls: type) -> _ByVersion[F]:
        made = self[cls] = _ByVersion(self._generate, cls)
        return made


_decoders: _ByMessage[Decode] = _ByMessage(decoder)
_encoders: _ByMessage[Encode] = _ByMessage(encoder)


def _effective(cls: type, version: int) -> int:
    """Return the lowest version with the same encoding."""
    bounds = thresholds(cls)
    index = bisect_right(bounds, version)
    return bounds[index - 1] if index else -1


def _reason(error: BaseException) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "a string is not UTF-8"
    return "ends in the middle of a field"
