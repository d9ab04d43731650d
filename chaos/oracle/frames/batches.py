"""The transmitted batches, each as its first request carried it, and the requests of a partition.

Values say which records a batch holds (``record_ids.py``), the other fields what a consumer and an
SPU may ignore: sizes, counts and deltas.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from chaos.oracle.evidence import Evidence
from chaos.oracle.frames.record_ids import TransmittedBatch
from chaos.oracle.holds import holds
from chaos.oracle.timing import timing
from simulator.events import FrameRead
from wire.batch import HEADER, SCHEMA_BIT

_SCHEMA_ID_BYTES = 4


@dataclass(slots=True)
class SentBatch:
    """One batch, as its first request carried it."""

    read: FrameRead
    partition: int
    batch: TransmittedBatch

    @property
    def size(self) -> int:
        """Bytes before compression, the header included."""
        schema = _SCHEMA_ID_BYTES if self.batch.header.attributes & SCHEMA_BIT else 0
        return HEADER.size + schema + self.batch.payload_bytes


@dataclass(slots=True)
class CarryingRequest:
    """One produce request and the records of one partition in it."""

    read: FrameRead
    begun_from: float
    """When the client began to write it, at the earliest."""
    partition: int
    first_ids: Sequence[int]
    """The first record of each batch."""
    is_first: bool
    """Whether an earlier request carried none of its batches."""


class SentBatches:
    """The batches of one run and the requests that carried them.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.batches: list[SentBatch] = []
        """Each distinct batch once, in the order of transmission."""
        self.requests: dict[tuple[int, int], list[CarryingRequest]] = {}
        """By producer and partition, in the order of reading."""
        known: set[TransmittedBatch] = set()
        carried = evidence.batches_by_transmission
        for read in evidence.requests:
            found: dict[int, list[int]] = {}
            new: dict[int, bool] = {}
            for partition, batches in carried[read.transmission]:
                for batch in batches:
                    is_new = batch not in known
                    if is_new:
                        known.add(batch)
                        self.batches.append(SentBatch(read, partition, batch))
                    if batch.ids:
                        found.setdefault(partition, []).append(batch.ids[0])
                        new[partition] = new.get(partition, True) and is_new
            for partition, first_ids in found.items():
                request = CarryingRequest(
                    read, begun_from(evidence, read), partition, first_ids, new[partition]
                )
                producer = evidence.records[first_ids[0]].producer
                self.requests.setdefault((producer, partition), []).append(request)


def begun_from(evidence: Evidence, read: FrameRead) -> float:
    """Return when the client began to write a request, at the earliest."""
    arrived_from = evidence.once(holds).arrived_from(read.transmission, read.t)
    return evidence.once(timing).begun_from(arrived_from)


def sent_batches(evidence: Evidence) -> SentBatches:
    """Return the batches of a run; for ``Evidence.once``."""
    return SentBatches(evidence)
