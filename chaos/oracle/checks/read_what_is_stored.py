"""A consumer is delivered what the log holds: each record from where it begins, once and in order.

Each delivered record has the bytes that the log held at its offset, in an incarnation of the topic
that existed while the consumer read. The first one is where the consumer was to begin, or behind an
offset that was stored for its id; each later one is at the next offset, also after the consumer
connected again. Under read-committed a record is committed before it is delivered. A consumer that
ended because it had read enough has read that much; it may have read nothing if nothing was
committed behind the last place where it may have begun. After healing, each partition can be read
to its end. A response that the network copied may be delivered twice. Under read-uncommitted a
consumer may have read what an election left out later.
"""

from collections import Counter, defaultdict
from math import inf

from chaos.consumption import Consumption, OffsetSent, RecordsConsumed
from chaos.history import Need
from chaos.oracle.blind_records import has_unknown_effect
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import UNMODELLED_EFFECT, Finding, Violations, at
from chaos.oracle.frames.held import HeldLog, held_logs
from chaos.oracle.frames.replicas import LOST_IN_ELECTION
from chaos.oracle.frames.stored_offsets import resumptions
from chaos.oracle.incarnations import incarnations
from chaos.oracle.timing import READ_UNCOMMITTED, ROUNDING_S
from simulator.faults.effects import Effect

COPIED = "copied-by-the-network"
"""The rule for what a fault delivered twice."""

NAME = "read-what-is-stored"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.CONSUME, Need.APPENDS, Need.LOGS)
EXCUSES = (LOST_IN_ELECTION, COPIED)
CAUSES = (UNMODELLED_EFFECT,)

_ALTERING = frozenset({Effect.ALTERS_BYTES, Effect.FORGES_ANSWER})


def check(evidence: Evidence) -> Finding:
    """Check each consumption."""
    found = Violations(NAME)
    if not evidence.history.consumptions:
        return found.finding()
    happened: defaultdict[int, list[RecordsConsumed | OffsetSent]] = defaultdict(list)
    totals: Counter[int] = Counter()
    for event in evidence.history.events:
        if isinstance(event, RecordsConsumed | OffsetSent):
            happened[event.consumption].append(event)
    for each in evidence.history.consumptions:
        reading = _Reading(evidence, each, found)
        reading.judge(happened[each.n])
        totals[each.step] += reading.delivered
    for each in evidence.history.consumptions:
        wanted = each.count or 0
        if each.end == "count" and totals.pop(each.step, wanted) < wanted:
            found.add(f"consumer {each.consumer} ended without the {wanted} records it wanted")
    return found.finding()


class _Reading:
    """The judgement of one consumption.

    Args:
        evidence: the run.
        consumption: what to judge.
        found: receives the account of each record.
    """

    def __init__(self, evidence: Evidence, consumption: Consumption, found: Violations) -> None:
        self._evidence = evidence
        self._it = consumption
        self._found = found
        self._next: int | None = None
        """The offset to be delivered next; None before the first one."""
        self.delivered = 0
        """How many records were delivered."""
        self._lives = self._lives_until(consumption.until)
        hits = evidence.consumers.hits.get(consumption.n, ())
        altering = [
            h.t for h in hits if has_unknown_effect(h) or not _ALTERING.isdisjoint(h.effects)
        ]
        self._altered_at = min(altering, default=inf)
        self._altered_from = min((log.altered_from for _, log in self._lives), default=inf)
        self._blind = False
        """Whether all that follows is out of sight."""
        self._copied_at = min((h.t for h in hits if Effect.REPEATED in h.effects), default=inf)

    def judge(self, happened: list[RecordsConsumed | OffsetSent]) -> None:
        """Judge what was delivered, in order, what was to be stored of it, and the end."""
        for event in happened:
            if isinstance(event, OffsetSent):
                self._look_at_stored(event)
                continue
            self.delivered += len(event.offsets)
            for offset, digest in zip(event.offsets, event.digests, strict=True):
                if self._is_blind(offset, event.t):
                    self._found.blind(UNMODELLED_EFFECT)
                elif self._follows(offset, event.t):
                    self._look(offset, digest, event.t)
        if not self._blind and self._altered_at == self._altered_from == inf:
            self._look_at_end()

    def _is_blind(self, offset: int, t: float) -> bool:
        """Return whether a record is out of sight, and with it all that follows: a fault altered
        what the consumer received, or the batch in the log."""
        self._blind |= t >= self._altered_at or offset >= self._altered_from
        return self._blind

    def _lives_until(self, t: float) -> list[tuple[float, HeldLog]]:
        """Return the logs of the partition in each incarnation until a time, with the times of
        their creation."""
        logs, partition, since = (
            self._evidence.once(held_logs),
            self._it.partition,
            self._it.started,
        )
        return [
            (life.created, logs.of(n, partition))
            for n, life in enumerate(self._evidence.once(incarnations).lives)
            if life.created <= t and life.deleted >= since
        ]

    # --- positions

    def _place(self, offset: int) -> str:
        return f"{self._it.partition}@{offset}"

    def _add(self, text: str, times: int = 1) -> None:
        self._found.add(f"consumer {self._it.consumer} {text}", times=times)

    def _follows(self, offset: int, t: float) -> bool:
        """Judge the offset of a record; return False if the record needs no further look."""
        due, self._next = self._next, offset + 1
        if due is None:
            self._look_at_start(offset, t)
        elif offset > due:
            missing = max((log.count(due, offset) for _, log in self._lives), default=0)
            if missing:
                before, now = self._place(due - 1), self._place(offset)
                what = f"was delivered {before} and next {now} {at(t)}"
                self._add(f"{what}: {missing} missing", missing)
        elif offset < due:
            self._next = due
            if t >= self._copied_at:
                self._found.excuse(COPIED)
                return False
            what = f"was delivered {self._place(offset)} {at(t)}"
            self._add(f"{what}, although it had read on to {self._place(due - 1)}")
        return True

    def _look_at_start(self, offset: int, t: float) -> None:
        """Judge where the consumption began."""
        allowed = self._starts(t)
        if allowed is not None and offset not in allowed:
            known = " or ".join(self._place(n) for n in sorted(allowed)[:2])
            self._add(f"began at {self._place(offset)} {at(t)}, and not at {known}")

    def _starts(self, t: float) -> "range | set[int] | None":
        """Return where a consumption may begin; None if the evidence does not tell."""
        it = self._it
        stored, fresh = self._resumed()
        if not fresh:
            return stored
        if it.start == "absolute":
            return {it.offset, *stored}
        began, now = it.started - ROUNDING_S, t + ROUNDING_S
        logs = [log for _, log in self._lives]
        if it.start == "beginning":
            least = min((log.start.at(began) for log in logs), default=0) + it.offset
            most = max((log.start.at(now) for log in logs), default=0) + it.offset
        else:
            least = min((log.committed.at(began) for log in logs), default=0) - it.offset
            most = max((log.committed.at(now) for log in logs), default=0) - it.offset
        between = range(max(least, 0), max(most, 0) + 1)
        return {*between, *stored} if stored else between

    def _resumed(self) -> tuple[set[int], bool]:
        """Return the offsets behind stored ones, where it may begin, and whether it may also begin
        as if none were stored."""
        if self._it.consumer_id is None:
            return set(), True
        stored, fresh = self._evidence.once(resumptions)[self._it.n]
        return {offset + 1 for offset in stored}, fresh

    def _latest_start(self, log: HeldLog) -> int:
        """Return the last offset at which one that was delivered nothing may have begun."""
        it = self._it
        stored, fresh = self._resumed()
        latest = max(stored, default=0)
        if fresh:
            match it.start:
                case "beginning":
                    latest = max(latest, log.start.at(inf) + it.offset)
                case "absolute":
                    latest = max(latest, it.offset)
                case _:
                    latest = max(latest, log.committed.at(it.until + ROUNDING_S) - it.offset)
        return max(latest, log.start.at(inf))  # what was evicted by then cannot be delivered

    def _look_at_stored(self, event: OffsetSent) -> None:
        """Judge an offset that was sent to be stored: the consumer has read that far."""
        if not self._blind and event.offset >= (self._next or 0):
            read_to = "nothing" if self._next is None else self._place(self._next - 1)
            what = f"said {at(event.t)} that it had read {self._place(event.offset)}"
            self._add(f"{what}, although it had read {read_to} last")

    # --- records

    def _look(self, offset: int, digest: str, t: float) -> None:
        """Judge the bytes of a record, and whether it was committed."""
        lives = [log for created, log in self._lives if created <= t]
        holding = [log for log in lives if log.digests.get(offset) == digest]
        if not holding:
            if self._it.isolation == READ_UNCOMMITTED and any(
                log.may_be_lost(offset) for log in lives
            ):
                self._found.excuse(LOST_IN_ELECTION)
            else:
                holds = "other bytes" if any(offset in log.digests for log in lives) else "nothing"
                self._found.judged += 1
                what = f"was delivered a record as {self._place(offset)} {at(t)}"
                self._add(f"{what}, where the log holds {holds}")
            return
        self._found.judged += 1
        if self._it.isolation == READ_UNCOMMITTED:
            return
        if all(log.committed.at(t + ROUNDING_S) <= offset for log in holding):
            self._add(f"was delivered {self._place(offset)} {at(t)}, before it was committed")

    # --- ends

    def _look_at_end(self) -> None:
        """Judge whether a consumption that read enough did, and whether the last one could."""
        it = self._it
        began = it.started - ROUNDING_S
        evicted = any(log.start.moved_since(began) for _, log in self._lives)
        if it.final and it.end != "end" and not evicted:
            why = it.error or "its time was over"
            self._add(f"did not read partition {it.partition} to its end after healing: {why}")
        if it.end != "end" or it.count is not None or len(self._lives) != 1:
            return
        [(_, log)] = self._lives
        due = log.committed.at(began)
        read_to = self._latest_start(log) if self._next is None else self._next
        if read_to < due:
            what = f"ended at {self._place(read_to)}, although everything before {self._place(due)}"
            self._add(f"{what} was committed when it began", due - read_to)
