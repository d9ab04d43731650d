"""The result of a check: its finding, and the violations in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

VIOLATIONS_MAX = 20
"""How many violations of one check are described; further violations are only counted."""

NAMED_MAX = 3
"""How many records a sentence names; further records are counted."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise."""

    text: str
    """What was promised and what happened, in one sentence."""
    records: tuple[int, ...] = ()
    """The ids of the records concerned; their narratives give the details."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check on one run."""

    check: str
    """The name of the check, for example ``no-loss``."""
    looked_at: int
    """How many records, calls or gaps the check judged; with 0 the finding says nothing."""
    count: int = 0
    """How often the promise was broken."""
    violations: tuple[Violation, ...] = ()
    """The first violations, at most ``VIOLATIONS_MAX``."""
    blind: int = 0
    """How many blind records the check did not judge."""


@dataclass(slots=True)
class Violations:
    """Collects the violations of a check; those after the first ``VIOLATIONS_MAX`` are only
    counted.

    A broken promise counts once for each record. Where several records share one narrative, because
    they were in one batch, one sentence describes all of them.
    """

    check: str
    unseen: frozenset[int] = frozenset()
    """The ids of blind records."""
    looked_at: int = 0
    blind: int = 0
    _count: int = 0
    _settled: list[Violation] = field(default_factory=list)

    def sees(self, *ids: int) -> bool:
        """Return whether records can be judged; count them as blind if not."""
        if not self.unseen or self.unseen.isdisjoint(ids):
            return True
        self.blind += len(ids)
        return False

    @property
    def wanted(self) -> bool:
        """Whether another violation would be described."""
        return len(self._settled) < VIOLATIONS_MAX

    def add(self, text: str, records: Sequence[int] = (), times: int | None = None) -> None:
        """Add a violation.

        Args:
            text: the sentence.
            records: the ids of the records concerned.
            times: how many violations to count; by default one for each record, at least one.
        """
        self._count += max(1, len(records)) if times is None else times
        if self.wanted:
            self._settled.append(Violation(text, tuple(records)))

    def finding(self) -> Finding:
        """Return the finding with all violations so far."""
        return Finding(self.check, self.looked_at, self._count, tuple(self._settled), self.blind)


def listed(ids: Sequence[int]) -> str:
    """Return the subject of a sentence: ``record 7``, ``records 7, 8 and 12 more``."""
    if len(ids) == 1:
        return f"record {ids[0]}"
    if len(ids) <= NAMED_MAX:
        return f"records {', '.join(map(str, ids[:-1]))} and {ids[-1]}"
    first = ", ".join(map(str, ids[: NAMED_MAX - 1]))
    return f"records {first} and {len(ids) - NAMED_MAX + 1} more"


def were(ids: Sequence[int]) -> str:
    """Return ``was`` or ``were``, to match ``listed``."""
    return "was" if len(ids) == 1 else "were"


def at(seconds: float) -> str:
    """Return a time for a sentence."""
    return f"at {seconds:.3f} s"


def lasting(seconds: float) -> str:
    """Return a duration for a sentence: in milliseconds below one second."""
    return f"{seconds:.3f} s" if seconds >= 1 else f"{seconds * 1000:.3f} ms"
