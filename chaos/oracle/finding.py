"""The result of a check: its finding, and the violations in it.

A check accounts for each record (or call) that it concerns. The record is *judged*; or a rule lets
it off (*excused*, for example a record that was given up after the last attempt of its policy); or
the evidence cannot tell (*blind*), for a cause that is named. A rule of a check gives a ``Ruling``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple

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


@dataclass(slots=True)
class Finding:
    """The result of one check on one run; not frozen, since there are twenty in each judgement and
    a frozen one takes three times as long to make."""

    check: str
    """The name of the check, for example ``no-loss``."""
    judged: int
    """How many records or calls the check judged; with 0 the finding says nothing."""
    count: int = 0
    """How often the promise was broken."""
    violations: tuple[Violation, ...] = ()
    """The first violations, at most ``VIOLATIONS_MAX``."""
    excused: dict[str, int] = field(default_factory=dict)
    """By rule, how many records or calls the rule lets off."""
    unseen: dict[str, int] = field(default_factory=dict)
    """By cause, how many records or calls the check could not judge."""
    not_applicable: str | None = None
    """What the check needs and the world or the driver can never give; None if the check ran."""

    @property
    def blind(self) -> int:
        """How many records or calls the check could not judge."""
        return sum(self.unseen.values()) if self.unseen else 0

    @property
    def judged_none(self) -> bool:
        """Whether there was something to judge, and the check judged none of it."""
        return not self.judged and bool(self.excused or self.unseen)


class Ruling(NamedTuple):
    """What a rule says of some records."""

    kind: Literal["judged", "violated", "excused", "blind"]
    text: str = ""
    """The violation, the name of the rule that excuses, or the cause that blinds."""


JUDGED = Ruling("judged")
"""The promise was kept."""


def violated(text: str) -> Ruling:
    """The promise was broken; ``text`` says how."""
    return Ruling("violated", text)


def excused(rule: str) -> Ruling:
    """A rule lets the records off; rules have names such as ``policy-used-up``."""
    return Ruling("excused", rule)


def blind(cause: str) -> Ruling:
    """The evidence cannot tell; causes have names such as ``hidden-attempts``."""
    return Ruling("blind", cause)


UNMODELLED_EFFECT = "unmodelled-effect"
"""The cause that makes a record a blind record."""

WITHOUT_ID = "without-id"
"""The cause that makes a record a blind record that is equal to others: it has the same value, or
neither a value nor a key."""

CLIENT_ENDED = "client-ended"
"""The rule for what was open when the client broke, or when the harness ended it."""

ACROSS_DELETION = "open-across-deletion"
"""The rule for records that were open when the topic was deleted, or that were sent before the
client knew of the next incarnation."""

NOT_DRAINED = "not-drained"
"""The cause where the logs were read too early to say that a record is absent."""


class Violations:
    """Collects the violations of a check; those after the first ``VIOLATIONS_MAX`` are only
    counted.

    A broken promise counts once for each record. Where several records share one narrative, because
    they were in one batch, one sentence describes all of them.

    Args:
        check: the name of the check.
        blind_records: the ids of blind records, each with its cause.
        excused_records: the ids of records that were open across a deletion of the topic.
    """

    __slots__ = (
        "_count",
        "_excused",
        "_settled",
        "_unseen",
        "blind_records",
        "check",
        "excused_records",
        "judged",
        "set_aside",
    )

    def __init__(
        self,
        check: str,
        blind_records: Mapping[int, str] = MappingProxyType({}),
        excused_records: frozenset[int] = frozenset(),
    ) -> None:
        self.check = check
        self.blind_records = blind_records
        self.excused_records = excused_records
        self.set_aside = bool(blind_records or excused_records)
        """Whether some records are not judged."""
        self.judged = 0
        self._excused: dict[str, int] = {}
        self._unseen: dict[str, int] = {}
        self._count = 0
        self._settled: list[Violation] = []

    def sees(self, *ids: int) -> bool:
        """Return whether records can be judged; count them as excused or blind if not."""
        if not self.set_aside:
            return True
        if self.excused_records and not self.excused_records.isdisjoint(ids):
            self.excuse(ACROSS_DELETION, len(ids))
            return False
        cause = next((self.blind_records[n] for n in ids if n in self.blind_records), None)
        if cause is None:
            return True
        self.blind(cause, len(ids))
        return False

    def excuse(self, rule: str, times: int = 1) -> None:
        """Count records or calls that a rule lets off."""
        if times:
            self._excused[rule] = self._excused.get(rule, 0) + times

    def blind(self, cause: str, times: int = 1) -> None:
        """Count records or calls that the evidence does not suffice to judge."""
        if times:
            self._unseen[cause] = self._unseen.get(cause, 0) + times

    def take(self, ruling: Ruling, times: int = 1) -> str | None:
        """Count records or calls as a rule says; return the text of the violation, if it is one."""
        kind = ruling.kind
        if kind == "excused":
            self.excuse(ruling.text, times)
        elif kind == "blind":
            self.blind(ruling.text, times)
        else:
            self.judged += times
        return ruling.text if kind == "violated" else None

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
        excused, unseen = self._excused, self._unseen
        return Finding(
            self.check,
            self.judged,
            self._count,
            tuple(self._settled),
            dict(sorted(excused.items())) if excused else {},
            dict(sorted(unseen.items())) if unseen else {},
        )


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
