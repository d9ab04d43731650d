import contextlib
import random
import struct
import subprocess
import sys
import zlib
from typing import Any

import cramjam
import lz4.frame  # type: ignore[import-untyped]  # lz4 ships no type information
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from wire.codec.errors import WireError
from wire.compression import (
    BUFFER_GROWTH,
    DECOMPRESSED_BYTES_MAX,
    FIRST_BUFFER_BYTES,
    GZIP_SLICE_BYTES,
    ZSTD_BLOCKS_MAX,
    ZSTD_WINDOW_BYTES_MAX,
    Codec,
    compress,
    decompress,
)

COMPRESSING = [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD]

PAYLOAD = bytes.fromhex("00000001a00300000001009003") + b"A" * 200 + b"\0"
"""One record of 200 times A with an empty key, behind the count of records."""

SENT_BY_OFFICIAL_CLIENT = {
    Codec.GZIP: "1f8b08000000000000ffddc4411100000400b039c93414415472d8638849b7ce7ac2025dcb586fd6"
    "000000",
    Codec.SNAPPY: "ff060000734e6150705900210000b403ceeed6011400000001a00301060c00900341fe0100fe01"
    "00fe01000d010000",
    Codec.LZ4: "04224d18604082180000006000000001a00306004f009003410100af6041414141410000000000",
    Codec.ZSTD: "28b52ffd0048b500007800000001a0030000000100900341000100440a2801",
}

# Unpacks a bomb from stdin to at most 8 MiB and prints by how many KiB that made the process grow.
BOMB_VICTIM = """
import resource, sys
from wire.codec.errors import WireError
from wire.compression import Codec, decompress
bomb = sys.stdin.buffer.read()
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> (10 * (sys.platform == "darwin"))
before = peak()
try:
    decompress(Codec[sys.argv[1]], bomb, 8 << 20)
except WireError:
    print(peak() - before)
"""


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def zstd_frame(data: bytes, window_log: int) -> bytes:
    parameters = zstandard.ZstdCompressionParameters(compression_level=1, window_log=window_log)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return stream.compress(data) + stream.flush()


@pytest.mark.parametrize("codec", COMPRESSING)
def test_what_the_official_client_compressed_unpacks(codec: Codec) -> None:
    assert decompress(codec, bytes.fromhex(SENT_BY_OFFICIAL_CLIENT[codec])) == PAYLOAD


@pytest.mark.parametrize("codec", [Codec.SNAPPY, Codec.ZSTD])
def test_snappy_and_zstd_come_out_as_the_official_client_writes_them(codec: Codec) -> None:
    assert compress(codec, PAYLOAD).hex() == SENT_BY_OFFICIAL_CLIENT[codec]


def test_gzip_begins_without_a_time_and_without_a_system() -> None:
    assert compress(Codec.GZIP, PAYLOAD)[:10].hex() == "1f8b08000000000000ff"


def test_an_lz4_frame_has_independent_blocks_and_no_checksum_of_the_whole() -> None:
    frame = compress(Codec.LZ4, noise(200_000))
    info = lz4.frame.get_frame_info(frame)
    assert info["block_linked"] is False
    assert info["content_checksum"] is False
    assert info["block_size"] == 64 * 1024


@given(data=st.binary(max_size=4096), codec=st.sampled_from(Codec), repeat=st.integers(1, 50))
def test_what_was_compressed_unpacks_to_the_same(data: bytes, codec: Codec, repeat: int) -> None:
    assert decompress(codec, compress(codec, data * repeat)) == data * repeat


@pytest.mark.parametrize("codec", Codec)
def test_a_memoryview_is_taken_both_ways(codec: Codec) -> None:
    view = memoryview(b"xx" + PAYLOAD + b"yy")[2:-2]
    packed = compress(codec, view)
    unpacked = decompress(codec, memoryview(b"x" + packed)[1:])
    assert unpacked == PAYLOAD
    assert type(packed) is type(unpacked) is bytes


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize(
    "size",
    [
        0,
        1,
        GZIP_SLICE_BYTES,
        FIRST_BUFFER_BYTES,
        FIRST_BUFFER_BYTES + 1,
        FIRST_BUFFER_BYTES * BUFFER_GROWTH + 1,
    ],
)
@pytest.mark.parametrize("kind", ["zeros", "noise"])
def test_payloads_of_every_size_survive(codec: Codec, size: int, kind: str) -> None:
    data = bytes(size) if kind == "zeros" else noise(size)
    assert decompress(codec, compress(codec, data)) == data


@pytest.mark.parametrize("size", [0, 10, 300_000])
def test_other_implementations_read_what_we_write(size: int) -> None:
    data = noise(size // 2) + bytes(size // 2)
    assert lz4.frame.decompress(compress(Codec.LZ4, data)) == data
    assert zstandard.ZstdDecompressor().decompressobj().decompress(compress(Codec.ZSTD, data)) == (
        data
    )
    assert zlib.decompress(compress(Codec.GZIP, data), 31) == data


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("size_in_header", [False, True])
def test_every_kind_of_lz4_frame_is_read(
    linked: bool, checksum: bool, size_in_header: bool
) -> None:
    data = noise(100_000) + bytes(100_000)
    frame = lz4.frame.compress(
        data,
        block_linked=linked,
        content_checksum=checksum,
        block_checksum=checksum,
        store_size=size_in_header,
    )
    assert decompress(Codec.LZ4, frame) == data


@pytest.mark.parametrize("size", [0, 200, 300, 70_000, 400_000])
@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("size_in_header", [False, True])
@pytest.mark.parametrize("level", [-5, 1, 19])
def test_every_kind_of_zstd_frame_is_read(
    size: int, checksum: bool, size_in_header: bool, level: int
) -> None:
    data = noise(size // 2) + bytes(size - size // 2)
    frame = zstandard.ZstdCompressor(
        level=level, write_checksum=checksum, write_content_size=size_in_header
    ).compress(data)
    assert decompress(Codec.ZSTD, frame) == data


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("limit", [0, 1, 1000, FIRST_BUFFER_BYTES + 1])
def test_the_limit_is_what_may_just_be_unpacked(codec: Codec, limit: int) -> None:
    fits, does_not = compress(codec, bytes(limit)), compress(codec, bytes(limit + 1))
    assert decompress(codec, fits, limit) == bytes(limit)
    with pytest.raises(WireError, match=rf"\b{limit}\b"):
        decompress(codec, does_not, limit)


@pytest.mark.parametrize("codec", COMPRESSING)
def test_32_mib_unpack_and_one_byte_more_does_not(codec: Codec) -> None:
    assert DECOMPRESSED_BYTES_MAX == 33_554_432
    fits = compress(codec, bytes(DECOMPRESSED_BYTES_MAX))
    assert len(decompress(codec, fits)) == DECOMPRESSED_BYTES_MAX
    with pytest.raises(WireError, match="33554432"):
        decompress(codec, compress(codec, bytes(DECOMPRESSED_BYTES_MAX + 1)))


@pytest.mark.parametrize("codec", COMPRESSING)
def test_a_bomb_takes_no_more_memory_than_the_limit(codec: Codec) -> None:
    pytest.importorskip("resource")
    bomb = compress(codec, bytes(96 << 20))
    victim = subprocess.run(
        [sys.executable, "-P", "-c", BOMB_VICTIM, codec.name],
        input=bomb,
        capture_output=True,
        check=True,
    )
    # 8 MiB is the limit; what zstd and lz4 keep beside the result is at most as much again.
    assert int(victim.stdout) < 20 << 10


def test_a_zstd_window_may_be_8_mib_and_no_larger() -> None:
    assert ZSTD_WINDOW_BYTES_MAX == 8 * 1024 * 1024
    frame = bytearray(zstd_frame(PAYLOAD, window_log=23))
    assert decompress(Codec.ZSTD, bytes(frame)) == PAYLOAD
    frame[5] += 1  # the window's descriptor: an eighth more
    with pytest.raises(WireError, match="a window of 9437184 bytes; the limit is 8388608"):
        decompress(Codec.ZSTD, bytes(frame))


def test_a_large_zstd_window_is_found_behind_other_frames() -> None:
    skippable = struct.pack("<II", 0x184D2A53, 5) + b"12345"
    checked = zstandard.ZstdCompressor(write_checksum=True).compress(bytes(300_000))
    before = compress(Codec.ZSTD, b"one") + skippable + checked
    assert decompress(Codec.ZSTD, before + zstd_frame(b"two", 23)) == b"one" + bytes(300_000) + (
        b"two"
    )
    with pytest.raises(WireError, match="a window of 134217728"):
        decompress(Codec.ZSTD, before + zstd_frame(b"two", 27))


@pytest.mark.parametrize("frames", [1, 2])
def test_zstd_blocks_that_hold_nothing_are_not_walked_over_for_ever(frames: int) -> None:
    start, empty, last = struct.pack("<IBB", 0xFD2FB528, 0, 0), b"\0\0\0", b"\1\0\0"
    # Of each frame the walker counts its start, its blocks and the last of them.
    held = ZSTD_BLOCKS_MAX // frames - 2
    frame = start + held * empty + last
    assert decompress(Codec.ZSTD, frames * frame) == b""
    with pytest.raises(WireError, match="more than 65536 blocks"):
        decompress(Codec.ZSTD, frames * frame + start + last)
    with pytest.raises(WireError, match="more than 65536 blocks"):
        decompress(Codec.ZSTD, start + 11_000_000 * empty + last)


@pytest.mark.parametrize(("flag", "id_bytes"), [(0, 0), (1, 1), (2, 2), (3, 4)])
def test_a_zstd_frame_in_one_segment_has_a_window_of_its_content_size(
    flag: int, id_bytes: int
) -> None:
    content_size = ZSTD_WINDOW_BYTES_MAX + 1
    start = struct.pack("<IB", 0xFD2FB528, 0b1010_0000 | flag)
    dictionary_id, repeated = b"\xff" * id_bytes, b"\x03\x00\x00" + b"A"
    with pytest.raises(WireError, match=f"a window of {content_size}"):
        decompress(Codec.ZSTD, start + dictionary_id + struct.pack("<I", content_size) + repeated)


@pytest.mark.parametrize("codec", COMPRESSING)
@pytest.mark.parametrize("data", [PAYLOAD, noise(100)], ids=["dense", "noise"])
def test_a_stream_that_ends_early_is_an_error_at_every_byte(codec: Codec, data: bytes) -> None:
    packed = compress(codec, data)
    for size in range(len(packed)):
        if codec is Codec.SNAPPY and size == 10:
            continue  # the identifier alone is a whole stream without data
        with pytest.raises(WireError):
            decompress(codec, packed[:size])


def test_a_snappy_stream_cut_between_chunks_is_a_shorter_stream() -> None:
    data = noise(65536) + b"more"
    packed = compress(Codec.SNAPPY, data)
    assert decompress(Codec.SNAPPY, packed[:10]) == b""
    assert decompress(Codec.SNAPPY, packed[: -len(b"more") - 8]) == data[:65536]


def test_what_stands_behind_the_first_gzip_member_is_ignored() -> None:
    first = compress(Codec.GZIP, PAYLOAD)
    for behind in (b"\0", b"junk", compress(Codec.GZIP, b"second"), bytes(3 * GZIP_SLICE_BYTES)):
        assert decompress(Codec.GZIP, first + behind) == PAYLOAD


@pytest.mark.parametrize("codec", [Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
def test_junk_behind_the_stream_is_an_error(codec: Codec) -> None:
    with pytest.raises(WireError):
        decompress(codec, compress(codec, PAYLOAD) + b"junk")


@given(
    codec=st.sampled_from(COMPRESSING),
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=4),
    data=st.sampled_from([PAYLOAD, b"", b"hello world " * 300, noise(80)]),
)
def test_corrupt_data_raise_nothing_but_wire_error(
    codec: Codec, flips: list[tuple[int, int]], data: bytes
) -> None:
    packed = bytearray(compress(codec, data))
    for position, flip in flips:
        packed[position % len(packed)] ^= flip
    with contextlib.suppress(WireError):
        # zstd has no checksum here, and some bits of every format mean nothing.
        assert len(decompress(codec, bytes(packed), 10_000)) <= 10_000


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4])
def test_a_flipped_bit_in_the_data_is_found(codec: Codec) -> None:
    packed = bytearray(compress(codec, noise(500)))
    packed[len(packed) // 2] ^= 1
    with pytest.raises(WireError):
        decompress(codec, bytes(packed))


@given(codec=st.sampled_from(COMPRESSING), data=st.binary(max_size=200))
def test_random_bytes_are_no_stream(codec: Codec, data: bytes) -> None:
    with pytest.raises(WireError):
        decompress(codec, data)


@pytest.mark.parametrize("module", [cramjam.snappy, cramjam.lz4, cramjam.zstd])
def test_the_library_stops_at_the_end_of_our_buffer_and_says_so(module: Any) -> None:
    # The theory of operation rests on this: it neither grows the buffer nor cuts the data.
    buffer = bytearray(99)
    with pytest.raises(cramjam.DecompressionError, match=r"^failed to write whole buffer$"):
        module.decompress_into(bytes(module.compress(bytes(100))), buffer)
    assert len(buffer) == 99
