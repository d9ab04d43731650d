"""A second opinion on the codec: it walks the declarations, one obvious step for each kind.

It shares with the generated code the tree of kinds and nothing else, and it is as slow and as plain
as it can be.
"""

import struct
from typing import Any

from wire.codec.schema import (
    Boolean,
    Bytes,
    Choice,
    Integer,
    Kind,
    Mapping,
    Option,
    Sequence,
    String,
    Struct,
    Tag,
    VarintBytes,
    fields_of,
    tag_of,
)


def write(kind: Kind, value: Any, version: int) -> bytes:
    match kind:
        case Integer(width) | Tag(_, width):
            return struct.pack(">" + width, value)
        case Boolean():
            return bytes([value])
        case String():
            text = value.encode()
            return struct.pack(">H", len(text)) + bytes(text)
        case Bytes():
            return struct.pack(">i", len(value)) + bytes(value)
        case VarintBytes():
            return _varint(len(value)) + bytes(value)
        case Sequence(item):
            return struct.pack(">i", len(value)) + b"".join(write(item, v, version) for v in value)
        case Option(item):
            return b"\0" if value is None else b"\1" + write(item, value, version)
        case Mapping(key, item):
            pairs = [write(key, k, version) + write(item, value[k], version) for k in sorted(value)]
            return struct.pack(">H", len(pairs)) + b"".join(pairs)
        case Struct(cls):
            present = [field for field in fields_of(cls) if field.present(version)]
            return b"".join(write(f.kind, getattr(value, f.name), version) for f in present)
        case Choice(width, _, units):
            if units is not None and isinstance(value, units):
                return struct.pack(">" + width, value)
            cls = type(value)
            return struct.pack(">" + width, tag_of(cls)) + write(Struct(cls), value, version)


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        assert 0 <= count <= len(self.data) - self.position, "the data end early"
        self.position += count
        return self.data[self.position - count : self.position]

    def number(self, width: str) -> int:
        (value,) = struct.unpack(">" + width, self.take(struct.calcsize(">" + width)))
        return int(value)


def read(kind: Kind, reader: Reader, version: int) -> Any:  # noqa: C901  one case for each kind
    match kind:
        case Integer(width):
            return reader.number(width)
        case Tag(cls, width):
            return cls(reader.number(width))
        case Boolean():
            return {0: False, 1: True}[reader.number("B")]
        case String():
            return reader.take(max(0, reader.number("h"))).decode()
        case Bytes(reads=reads):
            begin = reader.position + 4
            taken = reader.take(max(0, reader.number("i")))
            if reads is None:
                return taken
            ends, reader.position = reads(reader.data, begin, reader.position)
            return reader.data[begin:ends]
        case VarintBytes():
            return reader.take(_read_varint(reader))
        case Sequence(item):
            return [read(item, reader, version) for _ in range(reader.number("i"))]
        case Option(item):
            return read(item, reader, version) if reader.number("B") else None
        case Mapping(key, item):
            pairs = range(reader.number("H"))
            return {read(key, reader, version): read(item, reader, version) for _ in pairs}
        case Struct(cls):
            present = [field for field in fields_of(cls) if field.present(version)]
            return cls(**{f.name: read(f.kind, reader, version) for f in present})
        case Choice(width, variants, units):
            number = reader.number(width)
            if units is not None and number in list(units):
                return units(number)
            return read(Struct(dict(variants)[number]), reader, version)


def _varint(length: int) -> bytes:
    rest, out = length << 1, b""
    while rest > 127:
        out, rest = out + bytes([rest & 127 | 128]), rest >> 7
    return out + bytes([rest])


def _read_varint(reader: Reader) -> int:
    rest, shift = 0, 0
    while True:
        byte = reader.number("B")
        rest |= (byte & 127) << shift
        if byte < 128:
            return rest >> 1
        shift += 7
