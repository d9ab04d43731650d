"""Flipping a bit of bytes."""

from wire.codec.types import Buffer


def with_bit_flipped(data: Buffer, start: int, bit: int) -> bytes:
    """A copy with one bit flipped.

    Args:
        data: the bytes.
        start: where the bits are counted from, in bytes.
        bit: the number of the bit from there, from 0; below the bits that stand there.
    """
    copy = bytearray(data)
    copy[start + bit // 8] ^= 1 << bit % 8
    return bytes(copy)
