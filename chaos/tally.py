"""What the client was told, joined with what the log holds: pure counting, no clock and no I/O."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from chaos.official import value_of
from wire.batch import Record


class Verdict(IntEnum):
    """What a run says; the value is the exit status."""

    VALID = 0
    """Everything that was acknowledged is there."""
    INVALID = 1
    """Something that was acknowledged is missing."""
    INCONCLUSIVE = 2
    """The run tested nothing."""


@dataclass(slots=True)
class Outcome:
    """What the client was told about one record; neither field is set if it was told nothing."""

    n: int
    offset: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Tally:
    """The figures of one run."""

    wanted: int
    """Records that should be sent."""
    sent: int
    """Records that the client was made to send, before it ran out of time."""
    acknowledged: int
    failed: int
    """Records that the client reported as failed, stored or not."""
    unsettled: int
    """Records whose client was killed before it said anything."""
    records: int
    """Distinct records in the log."""
    copies: int
    """All records in the log."""
    missing: Sequence[int]
    """The numbers of records that were acknowledged and are not where the client was told."""
    unacknowledged_stored: int
    """Records in the log whose client was not told so."""
    duplicated: int
    """Records that the log holds more than once."""
    fired: int
    """How many frames were lost on purpose."""
    faulty: bool
    """Whether any should be."""

    @property
    def verdict(self) -> Verdict:
        """Whether the promise was kept, and whether it was tested at all."""
        if self.missing:
            return Verdict.INVALID
        if not self.acknowledged or (self.faulty and not self.fired):
            return Verdict.INCONCLUSIVE
        return Verdict.VALID

    def sentences(self) -> Iterator[str]:
        """What the figures mean."""
        yield f"{_were(self.fired, 'frame')} lost on purpose."
        if again := self.copies - self.records:
            yield (
                f"{_were(again, 'answer')} lost after the record was stored, and the client sent "
                f"it again: {_are(self.duplicated, 'record')} stored more than once."
            )
        if silent := self.sent - self.acknowledged:
            yield (
                f"{_were(silent, 'record')} not acknowledged; "
                f"stored all the same: {self.unacknowledged_stored}."
            )
        if self.sent < self.wanted:
            yield f"The time was over before {self.wanted - self.sent} more could be sent."
        yield self._conclusion()

    def _conclusion(self) -> str:
        match self.verdict:
            case Verdict.INVALID:
                which = ", ".join(map(str, self.missing))
                return f"Broken: acknowledged, and not where the client was told: {which}."
            case Verdict.INCONCLUSIVE if self.acknowledged:
                return "Inconclusive: no fault fired."
            case Verdict.INCONCLUSIVE:
                return "Inconclusive: nothing was acknowledged."
        return "Every acknowledged record is stored where the client was told."


def tally(
    wanted: int, outcomes: Sequence[Outcome], log: Sequence[Record], fired: int, *, faulty: bool
) -> Tally:
    """Join both sides of a run.

    Args:
        wanted: how many records should be sent.
        outcomes: what the client was told, a record each.
        log: what the partition holds, in the order of offsets.
        fired: how many frames were lost on purpose.
        faulty: whether any should be.
    """
    held = {record.offset: record.value for record in log}
    copies = Counter(record.value for record in log)
    acknowledged = [o for o in outcomes if o.offset is not None]
    failed = sum(o.error is not None for o in outcomes)
    return Tally(
        wanted=wanted,
        sent=len(outcomes),
        acknowledged=len(acknowledged),
        failed=failed,
        unsettled=len(outcomes) - len(acknowledged) - failed,
        records=len(copies),
        copies=len(log),
        missing=[o.n for o in acknowledged if held.get(o.offset or 0) != value_of(o.n)],
        unacknowledged_stored=sum(o.offset is None and value_of(o.n) in copies for o in outcomes),
        duplicated=sum(count > 1 for count in copies.values()),
        fired=fired,
        faulty=faulty,
    )


def _were(n: int, what: str) -> str:
    return f"{_some(n, what)} {'was' if n == 1 else 'were'}"


def _are(n: int, what: str) -> str:
    return f"{_some(n, what)} {'is' if n == 1 else 'are'}"


def _some(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n or 'No'} {what}s"
