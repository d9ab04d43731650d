"""The format of the data file: a header, then frames, each one entry.

The header is ``MAGIC`` and the version of the format. A frame is its length, the CRC of its
payload, the CRC of these two numbers, and the payload (CRC-32C, big-endian, four bytes each).

A process that is killed while it writes leaves the first bytes of a frame, and nothing behind them.
So a frame is *torn* if the file ends before the frame does, and only then: it is cut off, and no
entry is lost that was written. Everything else that is wrong, a flipped bit for example, is damage
that the simulator did not do, and the file is refused. The CRC of the length tells the two apart: a
flipped bit in a length does not make the rest of the file look torn.
"""

import struct
from collections.abc import Iterator
from typing import IO

from crc32c import crc32c

from wire.codec.types import Buffer

MAGIC = b"spu-simulator data file\n"

VERSION = 1
"""The version of the format; another one is refused."""

HEADER = MAGIC + struct.pack(">I", VERSION)

PAYLOAD_BYTES_MAX = 256 * 1024 * 1024
"""The longest payload. A request frame has at most 64 MiB, and its batches are kept with 8 bytes
more each."""

_NUMBERS = struct.Struct(">II")  # length and CRC of the payload
_CRC = struct.Struct(">I")

FRAME_BYTES = _NUMBERS.size + _CRC.size
"""The bytes of a frame in front of its payload."""


class DamageError(Exception):
    """The file holds something that the simulator did not write there.

    Args:
        position: the position of the first byte that cannot be read.
        what: what is wrong, in a few words.
    """

    def __init__(self, position: int, what: str) -> None:
        super().__init__(f"{what} at byte {position}")
        self.position = position


def frame_of(payload: list[Buffer]) -> list[Buffer]:
    """Return the parts of the frame of a payload, which is given in parts."""
    size = crc = 0
    for part in payload:
        size += len(part)
        crc = crc32c(part, crc)
    numbers = _NUMBERS.pack(size, crc)
    return [numbers, _CRC.pack(crc32c(numbers)), *payload]


def read_frames(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yield the payload of each whole frame, and the position behind that frame.

    Args:
        file: the data file, at the position of its first frame.

    Raises:
        DamageError: a frame is neither whole nor torn.
    """
    position = file.tell()
    while True:
        head = file.read(FRAME_BYTES)
        if len(head) < FRAME_BYTES:
            return
        size, crc = _NUMBERS.unpack_from(head)
        if _CRC.unpack_from(head, _NUMBERS.size)[0] != crc32c(head[: _NUMBERS.size]):
            raise DamageError(position, "a frame with a wrong CRC of its length")
        if size > PAYLOAD_BYTES_MAX:
            raise DamageError(position, f"a frame of {size} bytes")
        payload = file.read(size)
        if len(payload) < size:
            return
        if crc32c(payload) != crc:
            raise DamageError(position, "a frame with a wrong CRC of its payload")
        position += FRAME_BYTES + size
        yield payload, position
