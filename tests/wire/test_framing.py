import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.codec import WireError
from wire.framing import FRAME_BYTES_MAX, REQUEST_BYTES_MIN, FrameReader

payloads = st.lists(st.binary(min_size=4, max_size=100), max_size=8)


def framed(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


@given(payloads, st.lists(st.integers(1, 40)))
def test_frames_come_out_whole_whatever_pieces_they_arrive_in(
    payloads: list[bytes], cuts: list[int]
) -> None:
    reader, stream = FrameReader(4), b"".join(map(framed, payloads))
    found: list[bytes] = []
    for size in [*cuts, len(stream)]:
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert found == payloads


@given(payloads)
def test_frames_come_out_whole_byte_by_byte(payloads: list[bytes]) -> None:
    reader, found = FrameReader(4), list[bytes]()
    for byte in b"".join(map(framed, payloads)):
        found += reader.feed(bytes([byte]))
    assert found == payloads
    assert reader.missing == 4


def test_missing_counts_down_to_the_end_of_the_frame_under_way() -> None:
    reader = FrameReader(4)
    seen = [reader.missing]
    for piece in (b"\0\0", b"\0\x0a", b"abc", b"defghi"):
        assert list(reader.feed(piece)) == []
        seen.append(reader.missing)
    assert seen == [4, 2, 10, 7, 1]
    assert list(reader.feed(b"j\0")) == [b"abcdefghij"]
    assert reader.missing == 3


@pytest.mark.parametrize("length", [-1, -(2**31), 0, REQUEST_BYTES_MIN - 1, FRAME_BYTES_MAX + 1])
def test_a_length_out_of_range_is_refused_before_anything_is_held(length: int) -> None:
    reader = FrameReader(REQUEST_BYTES_MIN)
    with pytest.raises(WireError, match=f"a frame of {length} bytes"):
        list(reader.feed(length.to_bytes(4, "big", signed=True)))


@pytest.mark.parametrize("length", [REQUEST_BYTES_MIN, FRAME_BYTES_MAX])
def test_the_shortest_and_the_longest_frame_are_accepted(length: int) -> None:
    reader = FrameReader(REQUEST_BYTES_MIN)
    assert list(reader.feed(length.to_bytes(4, "big"))) == []
    (frame,) = reader.feed(bytes(length))
    assert len(frame) == length


def test_frames_before_a_broken_one_are_given_out_first() -> None:
    frames = FrameReader(4).feed(framed(b"good") + framed(b"fine") + b"\xff\xff\xff\xff")
    assert [next(frames), next(frames)] == [b"good", b"fine"]
    with pytest.raises(WireError):
        next(frames)


def test_a_frame_that_was_given_out_is_not_held_any_more() -> None:
    """A server may stop at a frame, and ask what is left of the next one."""
    data = framed(b"first") + framed(b"second")[:7]
    reader = FrameReader(4)
    assert list(reader.feed(data[:3])) == []
    frames = reader.feed(data[3:])
    assert next(frames) == b"first"
    assert (reader.held, reader.partial(100)) == (7, framed(b"second")[:7])
    assert list(frames) == []
    assert (reader.held, reader.partial(5)) == (7, framed(b"second")[:5])
