"""What a run did, at a glance: for a person, or as one line of JSON."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from simulator.cluster.cluster import Cluster, Partition
from simulator.documents.diagnostic import printable
from simulator.faults.armed import FaultCount
from simulator.journal import Journal
from wire.batch import Record, decode_batch
from wire.codec import WireError
from wire.record_set import as_stored

DISTINCT_RECORDS_MAX = 250_000
"""Records that are told apart. It takes up to two microseconds each, and a simulator that is asked
to stop must have done so within a second; of more it tells only how many there are."""

DISTINCT_BYTES_MAX = 256 * 1024 * 1024
"""Bytes of batches that are told apart, as they are stored or unpacked, whichever is more, for the
same reason: a few kilobytes of a compressed batch can hold 32 MiB."""

PARTITIONS_SHOWN_MAX = 500
"""Rows of the table for a person: to lay out ten thousand of them takes seconds."""

RECORD_BYTES_MAX = 64
"""A record whose key and value are longer is remembered by its digest."""


@dataclass(frozen=True, slots=True)
class PartitionSummary:
    """What one partition holds."""

    stored: int
    """How many records it holds; evicted ones are gone."""
    distinct: int | None
    """How many different keys and values; None where there are too many to tell, or they do not
    decode."""
    resent: int
    """How many records came in a batch whose bytes the partition held already."""
    evicted: int = 0
    """How many of its first records are gone, because its log was longer than it may be."""

    def to_data(self) -> dict[str, int | None]:
        """The figures; ``evicted`` only if records were."""
        figures = {"stored": self.stored, "distinct": self.distinct, "resent": self.resent}
        return {**figures, "evicted": self.evicted} if self.evicted else figures


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
    not_served: Mapping[str, int] = field(default_factory=dict)
    """How many requests were refused because the simulator does not serve them, by what was
    asked."""

    def to_json(self) -> str:
        """The summary as one line of JSON."""
        return json.dumps(
            {
                "partitions": {name: p.to_data() for name, p in self.partitions.items()},
                "faults": {
                    name: {"fired": count.fired, "shadowed": count.shadowed}
                    for name, count in self.faults.items()
                },
                "connections": self.connections,
                "frames": self.frames,
                "unanswered_records": self.unanswered_records,
                "not_served": dict(self.not_served),
            }
        )

    def renderables(self) -> Iterable[RenderableType]:
        """The summary as tables and sentences."""
        if self.partitions:
            yield from self._logs()
        if self.faults:
            if self.partitions:
                yield ""
            faults = Table("fault", box=None, header_style="bold", pad_edge=False)
            faults.add_column("fired", justify="right")
            faults.add_column("shadowed", justify="right")
            for name, count in self.faults.items():
                fired = "?" if count.fired is None else str(count.fired)
                faults.add_row(Text(printable(name)), fired, str(count.shadowed))
            yield faults
        yield ""
        yield (
            f"connections: {self.connections}, frames: {self.frames}, "
            f"stored records whose answer was never written: {self.unanswered_records}"
        )
        for asked, times in self.not_served.items():
            yield f"not served: {asked} {times} times"

    def _logs(self) -> Iterable[RenderableType]:
        logs = Table("partition", box=None, header_style="bold", pad_edge=False)
        shown = [*islice(self.partitions.items(), PARTITIONS_SHOWN_MAX)]
        columns = ["stored", "distinct", "resent"]
        if any(partition.evicted for _, partition in shown):
            columns.append("evicted")
        for column in columns:
            logs.add_column(column, justify="right")
        for name, partition in shown:
            figures = partition.to_data()
            logs.add_row(Text(name), *(_figure(figures.get(column, 0)) for column in columns))
        yield logs
        if (more := len(self.partitions) - PARTITIONS_SHOWN_MAX) > 0:
            yield f"... and {more} more; the json summary has them all"


def summarize(
    cluster: Cluster,
    faults: Mapping[str, FaultCount],
    journal: Journal,
    hurry: Callable[[], bool] = lambda: False,
) -> Summary:
    """Look at the logs and counts as they are now.

    Args:
        cluster: whose logs.
        faults: how often each fault fired.
        journal: what counted connections and frames.
        hurry: asked before each batch; once it says so no more records are told apart.
    """
    partitions = [p for p in cluster.partitions() if not p.topic.spec.system]
    budget = _Budget(DISTINCT_RECORDS_MAX, DISTINCT_BYTES_MAX, hurry)
    return Summary(
        partitions={
            f"{p.topic.name}/{p.index}": PartitionSummary(
                len(p.log), _distinct(p, budget), p.log.resent, p.log.start_offset
            )
            for p in partitions
        },
        faults=dict(faults),
        connections=journal.connections,
        frames=journal.frames,
        unanswered_records=journal.unanswered_records,
        not_served=dict(journal.not_served),
    )


def _figure(figure: int | None) -> str:
    return "?" if figure is None else str(figure)


@dataclass(slots=True)
class _Budget:
    """How much more may be looked at."""

    records: int
    bytes: int
    hurry: Callable[[], bool]


def _distinct(partition: Partition, budget: _Budget) -> int | None:
    """How many different records a partition holds, or None if that cannot be told in time."""
    log, seen = partition.log, set[bytes | tuple[bytes | None, bytes]]()
    if max(len(log), len(log.bodies)) > budget.records or log.bytes > budget.bytes:
        return None
    for body in log.bodies:
        if budget.records < 0 or budget.bytes < 0 or budget.hurry():
            return None
        try:
            _, records = decode_batch(
                as_stored(0, body), check_crc=False, records_max=budget.records
            )
        except WireError:
            return None
        budget.records -= max(len(records), 1)
        budget.bytes -= max(len(body), sum(len(r.key or b"") + len(r.value) for r in records))
        seen.update(map(_remembered, records))
    return None if min(budget.records, budget.bytes) < 0 else len(seen)


def _remembered(record: Record) -> bytes | tuple[bytes | None, bytes]:
    key, value = record.key, record.value
    if len(key or b"") + len(value) <= RECORD_BYTES_MAX:
        return key, value
    length = -1 if key is None else len(key)
    return blake2b(b"%d:%b%b" % (length, key or b"", value)).digest()
