"""The partitions in which records belong."""

from collections.abc import Collection, Iterable
from functools import lru_cache

from siphashc import siphash

from chaos.history import SentRecord
from chaos.oracle.evidence import Evidence

_HASH_KEY = b"\0" * 16


@lru_cache(maxsize=10_000)
def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a record with a key (SipHash-2-4, as in all Fluvio clients)."""
    hashed: int = siphash(_HASH_KEY, len(key).to_bytes(8, "little") + key)
    return hashed % partitions


def homes(evidence: Evidence, records: Iterable[SentRecord]) -> Collection[int]:
    """Return the partitions to which some records may have been sent, or were to be.

    A record that was transmitted belongs to the partition of its first request, a record with a key
    to that of its key; any other one may have been meant for each partition.
    """
    partitions = evidence.scenario.topic.partitions
    found: dict[int, None] = {}
    for record in records:
        if sent := evidence.transmissions[record.id]:
            found[sent[0].partition] = None
        elif record.key:
            found[partition_of(record.key, partitions)] = None
        else:
            return range(partitions)
        if len(found) == partitions:
            break
    return found
