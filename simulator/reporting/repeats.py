"""Which request brings again what an earlier one brought: the mark of a client that resends.

A client that gets no answer sends its batches again as they were, with their times and so with the
same bytes. Its requests may be cut otherwise the second time, so batches are compared, and not
requests.
"""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import blake2b
from itertools import islice

from simulator.events import Event, FrameRead
from wire.batch import BASE_OFFSET_BYTES
from wire.record_set import iter_outlines

BATCHES_REMEMBERED = 20_000
"""Batches of past requests that are known, the latest ones: megabytes, and minutes of most runs."""

BATCHES_LOOKED_AT = 100
"""Batches of one request that are looked at, from its first: a request that a client sends again
begins with what it sent before."""

DIGEST_BYTES = 16


class Repeats:
    """Remembers what requests brought."""

    def __init__(self) -> None:
        self._brought: dict[bytes, FrameRead] = {}

    def look(self, event: Event) -> FrameRead | None:
        """Remember a request, if the event is one.

        Returns:
            The latest earlier request that brought one of its batches to the same partition,
            without what it carried; None if there is none.
        """
        if not isinstance(event, FrameRead) or not event.carried:
            return None
        digests = list(islice(_digests(event), BATCHES_LOOKED_AT))
        earlier = [self._brought.pop(digest, None) for digest in dict.fromkeys(digests)]
        kept = _without_payload(event)
        self._brought.update((digest, kept) for digest in digests)
        while len(self._brought) > BATCHES_REMEMBERED:
            del self._brought[next(iter(self._brought))]
        return max((e for e in earlier if e is not None), key=lambda e: e.n, default=None)


def _digests(event: FrameRead) -> Iterator[bytes]:
    """One for each batch with its partition."""
    for topic, partition, records in event.carried:
        place = blake2b(f"{topic}/{partition}/".encode(), digest_size=DIGEST_BYTES)
        for _, _, batch in iter_outlines(records):
            digest = place.copy()
            digest.update(batch[BASE_OFFSET_BYTES:])
            yield digest.digest()


def _without_payload(event: FrameRead) -> FrameRead:
    """The same without the bytes, which would be kept alive."""
    return replace(event, carried=())
