"""A shard: the part of a search, or of a set of files, that one of several machines runs.

An example depends on the seed and on its number alone, so that shards need not know of each other.
What they keep is merged afterwards into the result of a search by one machine
(``report/shard_directory.py``).
"""

import re
from dataclasses import dataclass

SHARDS_MAX = 10_000
"""The most shards; more machines than that share no search."""

_FORM = re.compile(r"([0-9]{1,5})/([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Shard:
    """One of ``count`` shards."""

    index: int
    """Its number, from 1."""
    count: int

    def has(self, position: int) -> bool:
        """Return whether the unit of work at a position, from 0, belongs to this shard."""
        return position % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def shard_from(text: str) -> Shard:
    """Parse a shard such as ``2/5``.

    Raises:
        ValueError: it is none.
    """
    if found := _FORM.fullmatch(text):
        shard = Shard(int(found[1]), int(found[2]))
        if 1 <= shard.index <= shard.count <= SHARDS_MAX:
            return shard
    raise ValueError(f"{text!r} is no shard; write 1/4 for the first of four")
