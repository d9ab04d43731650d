import pytest
from hypothesis import given
from hypothesis import strategies as st

import wire.batch as batch_module
from wire.batch import encode_record
from wire.codec import WireError


def decoded(payload: bytes) -> object:
    """The columns of a payload, or the text of the error."""
    try:
        return batch_module._parse(payload)
    except WireError as error:
        return str(error)


@given(
    count=st.sampled_from([4, 63, 64, 65, 130]),
    size=st.sampled_from([0, 1, 54, 55, 63, 64, 100]),
    place=st.integers(min_value=0),
    byte=st.integers(0, 255),
    cut=st.integers(0, 3),
)
def test_records_that_are_alike_decode_as_any_others(
    count: int, size: int, place: int, byte: int, cut: int
) -> None:
    """One by one and all at once gives the same, errors included, whatever byte is altered."""
    records = [encode_record(None, b"%03d" % n + b"." * size, n, n % 3) for n in range(count)]
    payload = bytearray(count.to_bytes(4, "big") + b"".join(records))
    first = 4 + place % (len(payload) - 4)
    for altered in (None, first):
        if altered is not None:
            payload[altered] = byte
        whole = decoded(bytes(payload[: len(payload) - cut]))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batch_module, "ALIKE_MIN", count + 1)
            assert decoded(bytes(payload[: len(payload) - cut])) == whole
