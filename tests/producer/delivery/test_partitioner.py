import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.delivery.partitioner import hash_of_key, partition_of_key, specific

MASK = 2**64 - 1


def rotate(number: int, bits: int) -> int:
    return (number << bits | number >> (64 - bits)) & MASK


def siphash24(data: bytes) -> int:
    """SipHash-2-4 with both keys 0, straight from its description."""
    v = [0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573]

    def rounds(count: int) -> None:
        for _ in range(count):
            v[0] = (v[0] + v[1]) & MASK
            v[2] = (v[2] + v[3]) & MASK
            v[1] = rotate(v[1], 13) ^ v[0]
            v[3] = rotate(v[3], 16) ^ v[2]
            v[0] = rotate(v[0], 32)
            v[2] = (v[2] + v[1]) & MASK
            v[0] = (v[0] + v[3]) & MASK
            v[1] = rotate(v[1], 17) ^ v[2]
            v[3] = rotate(v[3], 21) ^ v[0]
            v[2] = rotate(v[2], 32)

    end = len(data) - len(data) % 8
    words = [int.from_bytes(data[at : at + 8], "little") for at in range(0, end, 8)]
    words.append((len(data) & 0xFF) << 56 | int.from_bytes(data[end:], "little"))
    for word in words:
        v[3] ^= word
        rounds(2)
        v[0] ^= word
    v[2] ^= 0xFF
    rounds(4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (b"", "e849e8bb6ffe2567"),
        (b"a", "feb15081b68ca86b"),
        (b"abc", "beb547a1e52e0770"),
        (b"Hello", "b323b6cf70894f99"),
        (b"key", "1bf94d5174027fca"),
        (b"key-1", "486efe50d3cf75b7"),
        (b"key-2", "5fcc47cb454462f3"),
        (b"0123456789abcdef", "c4d0363f590e0c1b"),
        (b"x" * 20, "5c68b4e1b2833ce7"),
    ],
)
def test_keys_hash_as_in_the_official_client(key: bytes, expected: str) -> None:
    assert f"{hash_of_key(key):016x}" == expected


def test_the_partition_is_the_hash_modulo_their_count() -> None:
    keys = (b"", b"a", b"abc", b"key-1", b"key-2", b"x" * 20)
    assert [partition_of_key(key, 7) for key in keys] == [3, 2, 4, 3, 5, 4]


@given(st.binary(max_size=100))
def test_the_library_agrees_with_the_description(key: bytes) -> None:
    assert hash_of_key(key) == siphash24(len(key).to_bytes(8, "little") + key)


def test_a_specific_partition_is_that_one_for_every_record() -> None:
    assert specific(2)(b"key", b"value", range(3), [0]) == 2
