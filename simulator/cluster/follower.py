"""One follower of a partition: how far its log reaches, and what its leader knows of that."""

from dataclasses import dataclass
from math import inf


@dataclass(slots=True, eq=False)
class Follower:
    """One replica of a partition on an SPU that does not lead it.

    Only the leader's log is kept. A follower has the records of that log up to its own end; the
    tail of a former leader, which no other replica ever sees, is nothing but the length of a log.
    """

    spu: int
    """The index of its SPU."""
    end: int = 0
    """The end offset of its log."""
    known: int = -1
    """The same as its leader knows it; -1 before the follower's first fetch from this leader."""
    fetched: bool = False
    """Whether it ever fetched from a leader of the partition."""
    diverged: bool = False
    """Whether its log holds records that an election left out of the partition."""
    due: float = inf
    """When its fetch begins or, once begun, arrives, in seconds of the simulator's clock."""
    fetch_end: int | None = None
    """The end offset of the leader's log when the fetch began; None if none is under way."""
    fetches: int = 0
    """How many fetches it began."""

    def stop(self) -> None:
        """Break off the fetch that is under way."""
        self.due, self.fetch_end = inf, None
