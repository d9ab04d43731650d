"""The types that a declared message can have, named as the protocol names them.

A message is a class whose annotations are these types, Python's own ``bool``, ``str``, ``list[T]``,
``dict[K, V]``, ``T | None``, other messages, ``IntEnum`` classes (a tag without fields), and unions
of tagged messages (a tag with fields). Source of the encodings: the ``fluvio-protocol`` crate,
``core/encoder.rs`` and ``core/decoder.rs``. All integers are big-endian two's complement.
"""

from dataclasses import dataclass
from typing import Annotated

Buffer = bytes | memoryview
"""What holds bytes on their way in or out. A memoryview keeps alive what it looks into."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """An integer of fixed width, or the width of the tag of an enumeration or a union."""

    format: str
    """One character of the ``struct`` module, for example ``h`` for i16."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes with an i32 length in front."""

    view: bool = False
    """Decode to a memoryview into the frame (no copy), and refuse a negative length."""


@dataclass(frozen=True, slots=True)
class VarintBlob:
    """Bytes with a zig-zag varint length in front, as in a record."""


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
"""The same bytes, looked at in place: for payloads too large to copy twice."""

varint_blob = Annotated[bytes, VarintBlob()]
"""Bytes as a record holds its key and value."""
