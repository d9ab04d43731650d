"""The types of fields of a declared message, with the names of the protocol.

A message is a class whose annotations are these types, Python's own ``bool``, ``str``, ``list[T]``,
``dict[K, V]``, ``T | None``, other messages, ``IntEnum`` classes (a tag without fields), and unions
of tagged messages (a tag with fields). Source of the encodings: the ``fluvio-protocol`` crate,
``core/encoder.rs`` and ``core/decoder.rs``. All integers are big-endian two's complement.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

Buffer = bytes | memoryview
"""Encoded bytes. A memoryview keeps its underlying buffer alive."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """An integer of fixed width, or the width of the tag of an enumeration or a union."""

    format: str
    """One character of the ``struct`` module, for example ``h`` for i16."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes with an i32 length prefix."""

    view: bool = False
    """Whether to decode to a memoryview of the frame (no copy) and reject a negative length."""
    reads: Callable[[bytes, int, int], tuple[int, int]] | None = None
    """For a reader that may stop before the end of the bytes: called with a frame and the positions
    where the bytes begin and end; returns where the value ends, and where the next field begins. It
    must return the end of the bytes twice for what this project writes. None for all bytes."""


@dataclass(frozen=True, slots=True)
class VarintBlob:
    """Bytes with a zig-zag varint length prefix, as in a record."""


u8 = Annotated[int, Fixed("B")]
i8 = Annotated[int, Fixed("b")]
u16 = Annotated[int, Fixed("H")]
i16 = Annotated[int, Fixed("h")]
u32 = Annotated[int, Fixed("I")]
i32 = Annotated[int, Fixed("i")]
u64 = Annotated[int, Fixed("Q")]
i64 = Annotated[int, Fixed("q")]

blob = Annotated[bytes, Blob()]
"""``Vec<u8>`` or ``ByteBuf``: a length below 1 reads as empty."""

view = Annotated[Buffer, Blob(view=True)]
"""Bytes with the same encoding, decoded to a view of the frame: for payloads too large to copy."""

varint_blob = Annotated[bytes, VarintBlob()]
"""Bytes in the encoding of a record's key and value."""
