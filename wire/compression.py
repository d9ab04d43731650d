"""The five codecs of a batch's payload.

A few hundred bytes can decompress to gigabytes. The naive approach,
``cramjam.zstd.decompress(data)``, grows its result without limit: a bomb of 16 KB took 512 MiB of
memory, even with ``output_len`` (a first guess, not a limit). A ``Decompressor`` processes one
whole stream per call, so it cannot stop either. ``decompress_into`` does stop: it fails when our
buffer is full. But it does not report the size that it needs, and to clear a buffer of the full
limit for each batch of 16 KiB takes 20 ms. So we start with a small buffer and retry with one of
eight times the size, up to the limit. All smaller buffers together cost a seventh of the last one.

Two more measures are needed. In addition to the result, zstd allocates a window whose size the peer
chooses, up to 128 MiB: 16 KB took 161 MiB of address space. So we read the window sizes from the
frame headers and reject those above a limit of their own. And we feed gzip, from the standard
library, in small slices, because ``zlib`` builds each result twice (in pieces, then joined).

Measured with bombs of 512 MiB against a limit of 32 MiB, the process grew by 32 MiB (snappy), 36
(gzip), 41 (zstd) and 48 (lz4, whose blocks may be 4 MiB). A payload within the limit is copied one
additional time.

Source: ``crates/fluvio-compression``. Decompression follows the official reader where its behaviour
is known: everything after the first gzip member is ignored. For the other three codecs, all
concatenated streams are read; no known client writes them.
"""

import struct
import zlib
from enum import IntEnum
from typing import Any

import cramjam

from wire.codec.errors import WireError
from wire.codec.types import Buffer


class Codec(IntEnum):
    """The compression of a batch's payload: the lowest three bits of its attributes.

    The compression setting of a topic uses other numbers.
    """

    NONE = 0
    GZIP = 1
    SNAPPY = 2  # in the framing format
    LZ4 = 3  # an LZ4 frame, not a block
    ZSTD = 4


DECOMPRESSED_BYTES_MAX = 32 * 1024 * 1024
"""The largest decompressed payload: an SPU rejects a batch of more than 32 MiB (MessageTooLarge),
so no uncompressed batch can hold more."""

ZSTD_WINDOW_BYTES_MAX = 8 * 1024 * 1024
"""The largest zstd window: RFC 8878 (3.1.1.1.2) asks decoders to support 8 MiB and encoders to use
no more; level 1, which Fluvio writes, uses 512 KiB."""

ZSTD_BLOCKS_MAX = 65_536
"""The maximum number of blocks, of all frames, that the search for window sizes visits. A block
holds up to 128 KiB, so 256 blocks hold the largest permitted payload. But an empty block is three
bytes long, and to visit the eleven million that fit into a batch takes seconds."""

FIRST_BUFFER_BYTES = 64 * 1024
"""The smallest buffer: four batches of the client's default size, cleared in 1 us."""

FIRST_BUFFER_RATIO = 8
"""The compression ratio for which the first buffer suffices; text and JSON rarely exceed it."""

BUFFER_GROWTH = 8
"""The factor from one buffer size to the next."""

GZIP_SLICE_BYTES = 4 * 1024
"""The bytes of a gzip stream that one step decompresses: deflate expands by a factor of at most
1032, so no step produces more than 4 MiB."""

GZIP_LEVEL = 6
"""The default level, which the official client uses."""

LZ4_LEVEL = 0
"""The fast mode, the only mode of Fluvio's lz4_flex; it takes a quarter of the default's time."""

ZSTD_LEVEL = 1
"""The level that the official client uses."""

_BUFFER_FULL = "failed to write whole buffer"  # the text of Rust's own ErrorKind::WriteZero
_SNAPPY_IDENTIFIER = b"\xff\x06\0\0sNaPpY"
_GZIP_WBITS = 31  # a gzip header and trailer around 32 KiB of deflate window
_GZIP_SYSTEM = 9  # the position of the byte that names the operating system
_ZSTD_MAGIC = 0xFD2FB528
_ZSTD_SKIPPABLE = 0x184D2A50  # with any value in its lowest four bits
_LE32 = struct.Struct("<I")


def compress(codec: Codec, data: Buffer) -> bytes:
    """Compress deterministically to exactly one member, stream or frame.

    snappy and zstd output is identical to that of the official client 0.21.0. An LZ4 frame has
    block checksums, which that client omits and every reader of the format accepts.
    """
    match codec:
        case Codec.NONE:
            return bytes(data)
        case Codec.GZIP:
            # zlib writes no time, but its operating system. Fluvio and newer versions of Python's
            # gzip module write 255 (unknown).
            member = zlib.compress(data, GZIP_LEVEL, _GZIP_WBITS)
            return member[:_GZIP_SYSTEM] + b"\xff" + member[_GZIP_SYSTEM + 1 :]
        case Codec.SNAPPY:
            return bytes(cramjam.snappy.compress(data)) or _SNAPPY_IDENTIFIER
        case Codec.LZ4:
            # Independent blocks and no checksum of the whole, as Fluvio's lz4_flex writes them.
            lz4 = cramjam.lz4.Compressor(LZ4_LEVEL, content_checksum=False, block_linked=False)
            lz4.compress(bytes(data))  # it accepts only bytes, unlike its stub
            return bytes(lz4.finish())
        case Codec.ZSTD:
            # A stream, because the one-shot function writes the content size.
            zstd = cramjam.zstd.Compressor(ZSTD_LEVEL)
            zstd.compress(bytes(data))
            return bytes(zstd.finish())


def decompress(codec: Codec, data: Buffer, limit: int = DECOMPRESSED_BYTES_MAX) -> bytes:
    """Decompress a payload.

    A snappy stream has no end mark: one that is cut between two of its chunks of 64 KiB
    decompresses without an error. The record count at the start of a payload reveals the loss.

    Args:
        codec: the codec of the data.
        data: the compressed payload.
        limit: the maximum size of the result, in bytes.

    Raises:
        WireError: the data is corrupt or ends early, or the result would exceed the limit.
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
                # cramjam accepts this as an empty stream, but even that begins with an identifier.
                raise WireError("snappy: no data")
            return _unpack("snappy", cramjam.snappy, data, limit)
        case Codec.LZ4:
            return _unpack("lz4", cramjam.lz4, data, limit)
        case Codec.ZSTD:
            _check_zstd_windows(memoryview(data))
            return _unpack("zstd", cramjam.zstd, data, limit)


def _unpack(name: str, module: Any, data: Buffer, limit: int) -> bytes:
    """Decompress into growing buffers of at most ``limit`` bytes."""
    size = min(limit, max(FIRST_BUFFER_BYTES, FIRST_BUFFER_RATIO * len(data)))
    while True:
        buffer = bytearray(size)
        try:
            written = module.decompress_into(data, buffer)
        except cramjam.DecompressionError as error:
            # Only the text distinguishes a full buffer from corrupt data, and to grow the buffer to
            # the limit for corrupt data would cost 20 ms.
            if str(error) != _BUFFER_FULL:
                raise WireError(f"{name}: {error}") from error
            if size == limit:
                raise WireError(f"{name}: unpacks to more than {limit} bytes") from error
            size = min(limit, BUFFER_GROWTH * size)
        else:
            with memoryview(buffer) as view:
                return bytes(view[:written])


def _gunzip(data: Buffer, limit: int) -> bytes:
    """Decompress the first gzip member; the official reader ignores the rest, too."""
    stream = zlib.decompressobj(_GZIP_WBITS)
    pieces: list[bytes] = []
    room = limit
    try:
        for start in range(0, len(data), GZIP_SLICE_BYTES):
            # One byte above the remaining limit shows that the result is too large.
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
    """Reject a frame whose window is too large, among all frames of the data (RFC 8878, 3.1)."""
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
    """Return the end of a complete frame and the number of blocks visited so far."""
    descriptor = data[position + 4]
    position += 5
    single_segment = descriptor & 0x20
    size_bytes = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    if single_segment:
        window = 0  # the window is as large as the content, whose size follows the dictionary id
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
