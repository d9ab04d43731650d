"""Which partition a record goes to.

A record with a key always goes to the same partition: SipHash-2-4 of the key modulo the count of
all partitions, exactly as the official client has it, so that both agree. An *empty* key is a key.
Records without one take turns over the partitions that are online, or over all if none is.

Source: ``crates/fluvio/src/producer/partitioning.rs``. Rust hashes a slice as its length, 8 bytes
little-endian, and then its bytes.
"""

from collections.abc import Callable, Sequence

from siphashc import siphash

_KEY = bytes(16)  # both halves of the SipHash key are 0

Partitioner = Callable[[bytes | None, bytes, Sequence[int], Sequence[int]], int]
"""A partitioner of one's own: it is called with the key, the value, the indexes of all partitions
and those of the available ones, and returns the index of one of all."""


def partition_of_key(key: bytes, partitions: int) -> int:
    """The partition that a key belongs to, of so many.

    >>> [partition_of_key(key, 7) for key in (b"", b"a", b"abc", b"key-1", b"key-2")]
    [3, 2, 4, 3, 5]
    """
    return hash_of_key(key) % partitions


def hash_of_key(key: bytes) -> int:
    """The hash that decides, an unsigned number of 64 bits.

    >>> f"{hash_of_key(b'Hello'):016x}"
    'b323b6cf70894f99'
    """
    return siphash(_KEY, len(key).to_bytes(8, "little") + key)


def specific(partition: int) -> Partitioner:
    """A partitioner that sends every record to one partition."""

    def choose(
        _key: bytes | None, _value: bytes, _all: Sequence[int], _available: Sequence[int]
    ) -> int:
        return partition

    return choose
