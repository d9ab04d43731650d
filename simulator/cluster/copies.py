"""Which batches of a log were stored before, byte for byte: what a client resends, or a fault.

The naive way keeps a digest of each batch. It reads every byte twice, and takes longer than the
append. But batches that differ almost always differ in their headers, where their CRC and times
are; so only a hash of the header is kept, and bytes are compared when two are alike in it.
"""

from hashlib import blake2b
from itertools import count

from simulator.cluster.record_set import RecordSet

DIGEST_BYTES = 16
"""Two of a million batches have the same digest with a chance of 1 in 10^27."""


class Copies:
    """Tells copies from first ones.

    Args:
        bodies: the batches of a log, each behind its base offset; appended to by the log.
    """

    def __init__(self, bodies: list[bytes]) -> None:
        self._bodies = bodies
        self._first: dict[int, int] = {}
        """The position of the first batch with a header, by the hash of that header."""
        self._others: set[bytes] = set()
        """Digests of batches that are alike in their header only with one that came before."""

    def count(self, records: RecordSet, position: int) -> int:
        """How many records of a record set are in batches that were stored before.

        Args:
            records: the record set; its batches are in ``bodies`` now.
            position: where in ``bodies`` they begin.
        """
        first, keys = self._first, records.keys
        if first.keys().isdisjoint(keys) and len(set(keys)) == len(keys):
            first.update(zip(keys, count(position), strict=False))
            return 0
        copied = 0
        for place, (key, body, held) in enumerate(
            zip(keys, records.bodies, records.counts, strict=True), position
        ):
            earlier = first.setdefault(key, place)
            if earlier != place and (self._bodies[earlier] == body or self._is_known(body)):
                copied += held
        return copied

    def forget_first(self, count: int) -> None:
        """Forget the first batches, which the log no longer has; the others have moved up."""
        self._first = {key: at - count for key, at in self._first.items() if at >= count}

    def forget(self, position: int) -> None:
        """Forget the batches from a position on, which the log no longer has."""
        self._first = {key: place for key, place in self._first.items() if place < position}

    def _is_known(self, body: bytes) -> bool:
        """Whether one of those alike in their header only is this; from now on it is."""
        digest = blake2b(body, digest_size=DIGEST_BYTES).digest()
        if digest in self._others:
            return True
        self._others.add(digest)
        return False
