"""The batches of one entry of a produce request, cut apart and ready to be stored as a whole.

A frame may hold a million batches that are nothing but a header. The naive way cuts and stores them
in one go, and every other client waits for seconds. So all work that is done for each batch by
itself is done here, some thousand batches at a time (``cut``); what is left for ``append``, which
must not be interrupted, is a handful of calls that run at the speed of C.
"""

from itertools import islice

from wire.batch import BASE_OFFSET_BYTES, HEADER, iter_outlines
from wire.codec.types import Buffer

KEY_BYTES = HEADER.size - BASE_OFFSET_BYTES
"""The header behind the base offset. It holds the batch's CRC and its times: two batches of one
producer that are alike in it are alike in all."""

CUT_BATCHES = 2_000
"""Batches that are cut at a time: about two milliseconds."""


class RecordSet:
    """What one entry brings.

    Args:
        records: its bytes, whole batches one behind the other.
    """

    def __init__(self, records: Buffer) -> None:
        self.bodies: list[bytes] = []
        """Each batch behind its base offset."""
        self.counts: list[int] = []
        """How many records each batch claims to hold; an SPU believes it."""
        self.keys: list[int] = []
        """A hash of each batch's header, to tell quickly that a batch is not a copy of another."""
        self.codecs: set[int] = set()
        """The codec bits that occur."""
        self.largest = 0
        """Bytes of the largest batch, header included."""
        self.size = len(records)
        """Bytes of all batches."""
        self._rest = iter_outlines(records)

    def cut(self, batches: int = CUT_BATCHES) -> bool:
        """Cut some batches off; returns whether there may be more.

        Raises:
            WireError: what is left is not a row of whole batches.
        """
        begun = len(self.bodies)
        bodies, counts, keys, codecs = self.bodies, self.counts, self.keys, self.codecs
        for codec, count, data in islice(self._rest, batches):
            body = bytes(data[BASE_OFFSET_BYTES:])
            bodies.append(body)
            counts.append(count)
            keys.append(hash(body[:KEY_BYTES]))
            codecs.add(codec)
            if len(data) > self.largest:
                self.largest = len(data)
        return len(bodies) - begun == batches


def record_set(records: Buffer) -> RecordSet:
    """Cut a whole record set in one go.

    Raises:
        WireError: it is not a row of whole batches.
    """
    found = RecordSet(records)
    while found.cut():
        pass
    return found
