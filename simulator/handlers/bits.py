"""Flipping a bit of bytes."""

from wire.codec.types import Buffer


def with_bit_flipped(data: Buffer, start: int, bit: int) -> bytes:
    """Return a copy with one bit flipped.

    Args:
        data: the bytes.
        start: the position of the first byte that counts.
        bit: the number of the bit, from 0 at ``start``; less than the number of bits after it.
    """
    copy = bytearray(data)
    copy[start + bit // 8] ^= 1 << bit % 8
    return bytes(copy)
