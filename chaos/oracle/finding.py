"""What a check says: its finding, and the violations in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

VIOLATIONS_MAX = 20
"""How many violations of one check are told in full; the rest is only counted."""

NAMED_MAX = 3
"""How many records a sentence names; more are counted."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise."""

    text: str
    """What was promised and what happened, in one sentence."""
    records: tuple[int, ...] = ()
    """The ids of the records that it is about; their stories tell the rest."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found in one run."""

    check: str
    """Its name, for example ``no-loss``."""
    looked_at: int
    """How many records, calls or gaps it had to look at; with 0 it says nothing."""
    count: int = 0
    """How often the promise was broken."""
    violations: tuple[Violation, ...] = ()
    """The first of them."""
    blind: int = 0
    """How many records it could not judge, for a fault had an effect that it does not reckon
    with."""


@dataclass(slots=True)
class Violations:
    """Violations as a check finds them; those beyond the first ones are only counted.

    A promise about a record is broken as often as there are records. Where many records share one
    story (they were in one batch) one sentence tells of all of them.
    """

    check: str
    unseen: frozenset[int] = frozenset()
    """The ids of records that the check cannot judge."""
    looked_at: int = 0
    blind: int = 0
    _count: int = 0
    _settled: list[Violation] = field(default_factory=list)

    def sees(self, *ids: int) -> bool:
        """Whether records can be judged; counts them where they cannot."""
        if not self.unseen or self.unseen.isdisjoint(ids):
            return True
        self.blind += len(ids)
        return False

    @property
    def wanted(self) -> bool:
        """Whether another one would be told in full."""
        return len(self._settled) < VIOLATIONS_MAX

    def add(self, text: str, records: Sequence[int] = (), times: int | None = None) -> None:
        """Add a violation.

        Args:
            text: the sentence.
            records: the ids of the records that share it.
            times: how many violations it is; by default one for each record, at least one.
        """
        self._count += max(1, len(records)) if times is None else times
        if self.wanted:
            self._settled.append(Violation(text, tuple(records)))

    def finding(self) -> Finding:
        """All of them."""
        return Finding(self.check, self.looked_at, self._count, tuple(self._settled), self.blind)


def listed(ids: Sequence[int]) -> str:
    """Some records, as the subject of a sentence: ``record 7``, ``records 7, 8 and 12 more``."""
    if len(ids) == 1:
        return f"record {ids[0]}"
    if len(ids) <= NAMED_MAX:
        return f"records {', '.join(map(str, ids[:-1]))} and {ids[-1]}"
    first = ", ".join(map(str, ids[: NAMED_MAX - 1]))
    return f"records {first} and {len(ids) - NAMED_MAX + 1} more"


def were(ids: Sequence[int]) -> str:
    """The verb that goes with them."""
    return "was" if len(ids) == 1 else "were"


def at(seconds: float) -> str:
    """A moment, in a sentence."""
    return f"at {seconds:.3f} s"


def lasting(seconds: float) -> str:
    """A duration, in a sentence: in milliseconds where it is short."""
    return f"{seconds:.3f} s" if seconds >= 1 else f"{seconds * 1000:.3f} ms"
