"""Zig-zag varints, as in records (``fluvio-protocol``, ``core/varint.rs``)."""

from wire.codec.errors import WireError
from wire.codec.types import Buffer

VARINT_BYTES_MAX = 10
"""The longest varint: ten groups of seven bits hold 64 bits, as in the official decoder."""


def write_varint(value: int) -> bytes:
    """Encode a number from -2**31 to 2**31 - 1.

    Raises:
        WireError: the value is outside that range, where the official encoder has a bug and writes
            other bytes.
    """
    if not -(1 << 31) <= value < 1 << 31:
        raise WireError(f"varint {value} is outside 32 bits")
    rest = (value << 1) ^ (value >> 31)
    out = bytearray()
    while rest > 0x7F:
        out.append(rest & 0x7F | 0x80)
        rest >>= 7
    out.append(rest)
    return bytes(out)


def read_varint(data: Buffer, position: int) -> tuple[int, int]:
    """Decode the number at ``position``; return it and the position after it.

    Raises:
        WireError: the number is longer than 64 bits.
        IndexError: the data ends within the number.
    """
    byte = data[position]
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), position + 1
    rest = byte & 0x7F
    for index in range(1, VARINT_BYTES_MAX):
        byte = data[position + index]
        rest |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return (rest >> 1) ^ -(rest & 1), position + index + 1
    raise WireError("a varint of more than 64 bits")
