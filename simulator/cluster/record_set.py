"""The batches of one entry of a produce request, cut apart and ready to be stored as a whole.

A frame may hold a million batches that are nothing but a header. The naive way cuts and stores them
in one go, and every other client waits for seconds. So all work that is done for each batch by
itself is done here, some thousand batches at a time (``cut``); what is left for ``append``, which
must not be interrupted, is a handful of calls that run at the speed of C.
"""

from itertools import islice

from wire.batch import BASE_OFFSET_BYTES, HEADER, SCHEMA_BIT
from wire.codec.types import Buffer
from wire.record_set import iter_outlines

KEY_BYTES = HEADER.size - BASE_OFFSET_BYTES
"""The header behind the base offset. It holds the batch's CRC and its times: two batches of one
producer that are alike in it are alike in all."""

_ATTRIBUTES_LOW = 22 - BASE_OFFSET_BYTES
"""The second byte of a batch's attributes, behind the base offset."""

CUT_BATCHES = 2_000
"""Batches that are cut at a time: about two milliseconds."""


class RecordSet:
    """What one entry brings.

    Args:
        records: its bytes: whole batches one behind the other, as ``iter_outlines`` finds them.
    """

    def __init__(self, records: Buffer) -> None:
        self.bodies: list[bytes] = []
        """Each batch behind its base offset."""
        self.counts: list[int] = []
        """How many records each batch claims to hold; an SPU believes it."""
        self.keys: list[int] = []
        """A hash of each batch's header, to tell quickly that a batch is not a copy of another."""
        self.bits: set[int] = set()
        """The codec and schema bits that occur."""
        self.largest = 0
        """Bytes of the largest batch, header included."""
        self.size = len(records)
        """Bytes of all batches."""
        self._rest = iter_outlines(records)

    def cut(self, batches: int = CUT_BATCHES) -> bool:
        """Cut some batches off; returns whether there may be more."""
        begun = len(self.bodies)
        bodies, counts, keys, all_bits = self.bodies, self.counts, self.keys, self.bits
        for bits, count, data in islice(self._rest, batches):
            body = bytes(data[BASE_OFFSET_BYTES:])
            bodies.append(body)
            counts.append(count)
            keys.append(hash(body[:KEY_BYTES]))
            all_bits.add(bits)
            if len(data) > self.largest:
                self.largest = len(data)
        return len(bodies) - begun == batches

    @property
    def can_be_written(self) -> bool:
        """Whether an SPU can write every batch: each has a record, and none has the schema bit."""
        return 0 not in self.counts and max(self.bits) < SCHEMA_BIT

    def written(self) -> "RecordSet":
        """The batches before the first one that an SPU cannot write; there must be such a one."""
        both = zip(self.counts, self.bodies, strict=True)
        n = next(n for n, (held, body) in enumerate(both) if not held or has_schema(body))
        found = RecordSet(b"")
        found.bodies, found.counts, found.keys = self.bodies[:n], self.counts[:n], self.keys[:n]
        found.size = sum(BASE_OFFSET_BYTES + len(body) for body in found.bodies)
        return found


def has_schema(body: bytes) -> bool:
    """Whether a batch, behind its base offset, has the schema bit."""
    return bool(body[_ATTRIBUTES_LOW] & SCHEMA_BIT)


def record_set(records: Buffer) -> RecordSet:
    """Cut a whole record set in one go."""
    found = RecordSet(records)
    while found.cut():
        pass
    return found
