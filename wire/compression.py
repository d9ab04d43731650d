"""The five codecs of a batch's payload.

A few hundred bytes can unpack to gigabytes. The naive way, ``cramjam.zstd.decompress(data)``,
grows its result as long as the stream says so: a bomb of 16 KB took 512 MiB of memory, with
``output_len`` as well (it is a first guess, not a limit), and a ``Decompressor`` takes one whole
stream a call, so that it cannot stop either. What does stop is ``decompress_into``: it fails when
the buffer that we own is full. But it does not say how large a buffer it wants, and to clear one
of the full limit for each batch of 16 KiB takes 20 ms. So we climb: a small buffer first,
then eight times as much, up to the limit. All lower rungs together cost a seventh of the last.

Two things are left. zstd keeps a window beside the result whose size the peer chooses, up to
128 MiB: 16 KB took 161 MiB of address space. Window sizes are read from the frame headers and
refused above a limit of their own. And gzip, from the standard library, is read in small slices,
because ``zlib`` builds each of its results twice (in pieces, then joined).

Measured with bombs of 512 MiB against a limit of 32 MiB, the process grew by 32 MiB (snappy), 36
(gzip), 41 (zstd) and 48 (lz4, whose blocks may be 4 MiB). A payload that stays within the limit is
copied once more.

Source: ``crates/fluvio-compression``. Unpacking is as the official reader does it where that is
known: behind the first gzip member, everything is ignored. Of the other three, streams that stand
one behind another are all read; nobody should write them.
"""

import struct
import zlib
from enum import IntEnum
from typing import Any

import cramjam

from wire.codec.errors import WireError
from wire.codec.types import Buffer


class Codec(IntEnum):
    """How the payload of a batch is compressed: the lowest three bits of its attributes.

    Not the numbers of a topic's compression setting.
    """

    NONE = 0
    GZIP = 1
    SNAPPY = 2  # in the framing format
    LZ4 = 3  # an LZ4 frame, not a block
    ZSTD = 4


DECOMPRESSED_BYTES_MAX = 32 * 1024 * 1024
"""The most that one payload may unpack to: an SPU refuses a batch of more than 32 MiB
(MessageTooLarge), so no batch that was sent uncompressed can hold more."""

ZSTD_WINDOW_BYTES_MAX = 8 * 1024 * 1024
"""The largest zstd window: RFC 8878 (3.1.1.1.2) asks decoders to take 8 MiB and encoders to stay
within it; level 1, which Fluvio writes, uses 512 KiB."""

ZSTD_BLOCKS_MAX = 65_536
"""Blocks, of all frames, that are walked over to read the window sizes. A block holds up to 128
KiB, so that 256 hold the most that may be unpacked; but one that holds nothing is three bytes long,
and to walk over the eleven million that fit into a batch takes seconds."""

FIRST_BUFFER_BYTES = 64 * 1024
"""The least to unpack into: four batches of the client's default size, cleared in 1 us."""

FIRST_BUFFER_RATIO = 8
"""The first buffer holds data compressed this well; text and JSON rarely do better."""

BUFFER_GROWTH = 8
"""By how much the next buffer is larger when one was too small."""

GZIP_SLICE_BYTES = 4 * 1024
"""How much of a gzip stream is unpacked at a time: deflate makes at most 1032 times as much of
it, so that no step makes more than 4 MiB."""

GZIP_LEVEL = 6
"""The default level, as the official client uses it."""

LZ4_LEVEL = 0
"""The fast mode, the only one that Fluvio's lz4_flex has; a quarter of the default's time."""

ZSTD_LEVEL = 1
"""As the official client uses it."""

_BUFFER_FULL = "failed to write whole buffer"  # the text of Rust's own ErrorKind::WriteZero
_SNAPPY_IDENTIFIER = b"\xff\x06\0\0sNaPpY"
_GZIP_WBITS = 31  # a gzip header and trailer around 32 KiB of deflate window
_GZIP_SYSTEM = 9  # the position of the byte that names the operating system
_ZSTD_MAGIC = 0xFD2FB528
_ZSTD_SKIPPABLE = 0x184D2A50  # with any value in its lowest four bits
_LE32 = struct.Struct("<I")


def compress(codec: Codec, data: Buffer) -> bytes:
    """The same bytes for the same data, in exactly one member, stream or frame.

    snappy and zstd come out byte for byte as the official client 0.21.0 writes them. An LZ4 frame
    has block checksums, which that client leaves out and every reader of the format takes.
    """
    match codec:
        case Codec.NONE:
            return bytes(data)
        case Codec.GZIP:
            # zlib writes no time, but its own system; 255 (unknown) is what Fluvio writes, and
            # what newer versions of Python's gzip module write.
            member = zlib.compress(data, GZIP_LEVEL, _GZIP_WBITS)
            return member[:_GZIP_SYSTEM] + b"\xff" + member[_GZIP_SYSTEM + 1 :]
        case Codec.SNAPPY:
            return bytes(cramjam.snappy.compress(data)) or _SNAPPY_IDENTIFIER
        case Codec.LZ4:
            # Independent blocks and no checksum of the whole, as Fluvio's lz4_flex writes them.
            lz4 = cramjam.lz4.Compressor(LZ4_LEVEL, content_checksum=False, block_linked=False)
            lz4.compress(bytes(data))  # its stub says otherwise, but it takes nothing else
            return bytes(lz4.finish())
        case Codec.ZSTD:
            # As a stream, because the one-shot function adds the content size.
            zstd = cramjam.zstd.Compressor(ZSTD_LEVEL)
            zstd.compress(bytes(data))
            return bytes(zstd.finish())


def decompress(codec: Codec, data: Buffer, limit: int = DECOMPRESSED_BYTES_MAX) -> bytes:
    """What was compressed.

    A snappy stream has no end mark: one that is cut between two of its chunks of 64 KiB unpacks to
    less than it was, which the count of records in front of a payload reveals.

    Args:
        codec: how the data are compressed.
        data: the stream, from its first byte.
        limit: the most bytes that it may unpack to.

    Raises:
        WireError: the data are corrupt or end early, or unpack to more than the limit.
    """
    match codec:
        case Codec.NONE:
            if len(data) > limit:
                raise WireError(f"a payload of {len(data)} bytes; the limit is {limit}")
            return bytes(data)
        case Codec.GZIP:
            return _gunzip(data, limit)
        case Codec.SNAPPY:
            if not data:
                # cramjam takes this for an empty stream, but even that begins with an identifier.
                raise WireError("snappy: no data")
            return _unpack("snappy", cramjam.snappy, data, limit)
        case Codec.LZ4:
            return _unpack("lz4", cramjam.lz4, data, limit)
        case Codec.ZSTD:
            _check_zstd_windows(memoryview(data))
            return _unpack("zstd", cramjam.zstd, data, limit)


def _unpack(name: str, module: Any, data: Buffer, limit: int) -> bytes:
    """Unpack into larger and larger buffers of our own, none above the limit."""
    size = min(limit, max(FIRST_BUFFER_BYTES, FIRST_BUFFER_RATIO * len(data)))
    while True:
        buffer = bytearray(size)
        try:
            written = module.decompress_into(data, buffer)
        except cramjam.DecompressionError as error:
            # Only the text tells a full buffer from corrupt data, and climbing to the limit for
            # data that are corrupt would cost 20 ms.
            if str(error) != _BUFFER_FULL:
                raise WireError(f"{name}: {error}") from error
            if size == limit:
                raise WireError(f"{name}: unpacks to more than {limit} bytes") from error
            size = min(limit, BUFFER_GROWTH * size)
        else:
            with memoryview(buffer) as view:
                return bytes(view[:written])


def _gunzip(data: Buffer, limit: int) -> bytes:
    """The first gzip member; the official reader loses what stands behind it too."""
    stream = zlib.decompressobj(_GZIP_WBITS)
    pieces: list[bytes] = []
    room = limit
    try:
        for start in range(0, len(data), GZIP_SLICE_BYTES):
            # One byte more than there is room for shows that the rest does not fit.
            piece = stream.decompress(data[start : start + GZIP_SLICE_BYTES], room + 1)
            room -= len(piece)
            if room < 0:
                raise WireError(f"gzip: unpacks to more than {limit} bytes")
            pieces.append(piece)
            if stream.eof:
                return b"".join(pieces)
    except zlib.error as error:
        raise WireError(f"gzip: {error}") from error
    raise WireError("gzip: the member does not end")


def _check_zstd_windows(data: memoryview) -> None:
    """Refuse a frame whose window is too large, also one behind other frames (RFC 8878, 3.1)."""
    position = blocks = 0
    try:
        while position < len(data):
            blocks += 1  # a skippable frame counts as one
            (magic,) = _LE32.unpack_from(data, position)
            if magic & ~0xF == _ZSTD_SKIPPABLE:
                position += 8 + _LE32.unpack_from(data, position + 4)[0]
            elif magic == _ZSTD_MAGIC:
                position, blocks = _end_of_zstd_frame(data, position, blocks)
            else:
                raise WireError(f"zstd: no frame begins with {magic:#010x}")
            if blocks > ZSTD_BLOCKS_MAX:
                raise WireError(f"zstd: more than {ZSTD_BLOCKS_MAX} blocks")
    except (struct.error, IndexError) as error:
        raise WireError("zstd: a frame ends early") from error


def _end_of_zstd_frame(data: memoryview, position: int, blocks: int) -> tuple[int, int]:
    """Where a frame ends that is not cut short, and how many blocks were walked over so far."""
    descriptor = data[position + 4]
    position += 5
    single_segment = descriptor & 0x20
    size_bytes = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    if single_segment:
        window = 0  # it is as large as the content, whose size stands behind the dictionary's id
    else:
        exponent, eighths = divmod(data[position], 8)
        window = (1 << 10 + exponent) // 8 * (8 + eighths)
        position += 1
    position += (0, 1, 2, 4)[descriptor & 3]
    if single_segment:
        window = int.from_bytes(data[position : position + size_bytes], "little")
    if window > ZSTD_WINDOW_BYTES_MAX:
        raise WireError(f"zstd: a window of {window} bytes; the limit is {ZSTD_WINDOW_BYTES_MAX}")
    position += size_bytes
    last = False
    while not last and blocks <= ZSTD_BLOCKS_MAX:
        blocks += 1
        block = data[position] | data[position + 1] << 8 | data[position + 2] << 16
        last = bool(block & 1)
        # A block of type 1 is one byte, repeated.
        position += 3 + (1 if block >> 1 & 3 == 1 else block >> 3)
    return position + (4 if descriptor & 4 else 0), blocks
