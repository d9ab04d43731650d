"""What a run did, at a glance: for a person, or as one line of JSON."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from simulator.cluster.cluster import Cluster, Partition
from simulator.events import Journal
from simulator.faults.plan import FaultCount
from wire.batch import decode_values
from wire.codec import WireError

DISTINCT_RECORDS_MAX = 250_000
"""Records whose values are told apart. It takes up to two microseconds each, and a simulator that
is asked to stop must have done so within a second; with more it tells only how many copies it has.
"""

DISTINCT_BYTES_MAX = 256 * 1024 * 1024
"""Bytes of values that are told apart, unpacked, for the same reason: a few kilobytes of a
compressed batch can hold 32 MiB."""

VALUE_BYTES_MAX = 64
"""A longer value is remembered by its digest."""


@dataclass(frozen=True, slots=True)
class PartitionSummary:
    """What one partition holds."""

    records: int | None
    """How many distinct values; None where there are too many to tell, or they do not decode."""
    copies: int
    """How many records in all."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a simulator did."""

    partitions: Mapping[str, PartitionSummary]
    """By ``topic/partition``; system topics are left out."""
    faults: Mapping[str, FaultCount]
    connections: int
    frames: int
    unanswered_records: int
    """Records that are stored and whose answer was never written in full."""

    def to_json(self) -> str:
        """The summary as one line of JSON."""
        return json.dumps(
            {
                "partitions": {
                    name: {"records": p.records, "copies": p.copies}
                    for name, p in self.partitions.items()
                },
                "faults": {
                    name: {"fired": count.fired, "shadowed": count.shadowed}
                    for name, count in self.faults.items()
                },
                "connections": self.connections,
                "frames": self.frames,
                "unanswered_records": self.unanswered_records,
            }
        )

    def renderables(self) -> Iterable[RenderableType]:
        """The summary as tables and sentences."""
        logs = Table("partition", box=None, header_style="bold", pad_edge=False)
        logs.add_column("records", justify="right")
        logs.add_column("copies", justify="right")
        for name, partition in self.partitions.items():
            records = "?" if partition.records is None else str(partition.records)
            logs.add_row(Text(name), records, str(partition.copies))
        yield logs
        if self.faults:
            yield ""
            faults = Table("fault", box=None, header_style="bold", pad_edge=False)
            faults.add_column("fired", justify="right")
            faults.add_column("shadowed", justify="right")
            for name, count in self.faults.items():
                faults.add_row(Text(name), str(count.fired), str(count.shadowed))
            yield faults
        yield ""
        yield (
            f"connections: {self.connections}, frames: {self.frames}, "
            f"stored records whose answer was never written: {self.unanswered_records}"
        )


def summarize(cluster: Cluster, faults: Mapping[str, FaultCount], journal: Journal) -> Summary:
    """Look at the logs and counts as they are now."""
    partitions = [p for p in cluster.partitions() if not p.topic.spec.system]
    budget = _Budget(DISTINCT_RECORDS_MAX, DISTINCT_BYTES_MAX)
    return Summary(
        partitions={
            f"{p.topic.name}/{p.index}": PartitionSummary(_distinct(p, budget), len(p.log))
            for p in partitions
        },
        faults=dict(faults),
        connections=journal.connections,
        frames=journal.frames,
        unanswered_records=journal.unanswered_records,
    )


@dataclass(slots=True)
class _Budget:
    """How much more may be looked at."""

    records: int
    bytes: int


def _distinct(partition: Partition, budget: _Budget) -> int | None:
    """How many different values a partition holds, or None if that cannot be told in time."""
    seen: set[bytes] = set()
    for batch in partition.log.batches:
        if min(budget.records, budget.bytes) < 0:
            return None
        try:
            values = decode_values(batch.data, check_crc=False)
        except WireError:
            return None
        budget.records -= len(values)
        budget.bytes -= sum(map(len, values))
        seen.update(v if len(v) <= VALUE_BYTES_MAX else _digest(v) for v in values)
    return None if min(budget.records, budget.bytes) < 0 else len(seen)


def _digest(value: bytes) -> bytes:
    # One byte longer than any value that is remembered whole, so that the two never collide.
    return blake2b(value, digest_size=VALUE_BYTES_MAX).digest() + b"#"
