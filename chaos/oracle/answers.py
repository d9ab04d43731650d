"""The answers of the SPUs to produce requests, as far as the events show them.

The events record answers as frames, without their content. The content follows from other events:
what was appended, and which faults forged an answer or replaced it by an error code.

A forged answer is not about what was asked. It reports no success, and ends an attempt as the loss
of the connection does; one that no request is waiting for is as good as none.
"""

from bisect import bisect_left
from collections.abc import Iterator
from math import inf

from chaos.oracle.evidence import Evidence, Transmission
from chaos.oracle.frames.replicas import replicas
from chaos.oracle.timing import ROUNDING_S, Timing, timing
from simulator.events import Appended, FaultHit, FrameWritten, LeaderMoved, SpuStopped
from simulator.faults.effects import CutPoint, Effect

RETRIABLE = (
    "NotLeaderForPartition",
    "RequestTimedOut",
    "StorageError",
    "PartitionShortCircuited",
    "UnknownServerError",
)
"""The error codes after which a retry may succeed; all others are final."""


class Answers:
    """The answers to the produce requests of one run.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        topic = evidence.scenario.topic.name
        self._at = evidence.answered_at
        times = evidence.once(timing)
        self._commit = times.commit
        self._committed: dict[int, bool] = {}
        """Whether a request was certainly answered after its commit, or before it, because the
        client's timeout for it was over; requests of which neither is certain are left out."""
        self._changes: list[float] = []
        """When an SPU may have lost a partition while it waited for the commit."""
        if times.commit:
            commits = self._replicated if evidence.once(replicas).is_replicated else self._commits
            self._committed = dict(commits(evidence, times))
            changes = (*evidence.events_of(LeaderMoved), *evidence.events_of(SpuStopped))
            self._changes = sorted(change.t for change in changes)
        self._appended = {
            (append.transmission, append.entry)
            for append in evidence.events_of(Appended)
            if append.topic == topic
        }
        self._hits: dict[int, list[FaultHit]] = {}
        """By request, the hits that forged an answer or gave it an error code."""
        self._copies: dict[int, int] = {}
        """By request, how many answers a fault repeated; all copies have the same content."""
        self._repeated: set[int] = set()
        """The requests that a fault repeated, so that they have several answers of their own."""
        for hit in evidence.events_of(FaultHit):
            if hit.shadowed:
                continue
            number, effects = hit.transmission, hit.effects
            if hit.topic == topic and (hit.code is not None or Effect.FORGES_ANSWER in effects):
                self._hits.setdefault(number, []).append(hit)
            if Effect.REPEATED not in effects:
                continue
            if hit.at is CutPoint.RESPONSE:
                self._copies[number] = self._copies.get(number, 0) + 1
            else:
                self._repeated.add(number)
        self._written = dict.fromkeys(self._hits, 0)
        """By request that was hit, how many answers were written in full."""
        if self._hits:
            for frame in evidence.events_of(FrameWritten):
                if frame.transmission in self._hits and frame.whole:
                    self._written[frame.transmission] += 1

    def at(self, transmission: Transmission) -> float:
        """Return when the first answer to a request was written in full; infinity if none was."""
        number = transmission.number
        if hits := self._hits.get(number):
            missing = sum(Effect.NOT_ANSWERED in hit.effects for hit in hits)
            if missing and missing + self._copies.get(number, 0) >= self._written[number]:
                return inf
        return self._at.get(number, inf)

    def may_acknowledge(self, transmission: Transmission) -> bool:
        """Return whether an answer to a request may have reported success."""
        number = transmission.number
        if self._committed.get(number) is False and number not in self._repeated:
            return False
        if number not in self._at:
            return False
        if number not in self._hits:
            return True
        wrong = sum(1 for _ in self._concerning(transmission))
        return not wrong or self._written[number] > wrong + self._copies.get(number, 0)

    def is_ok(self, transmission: Transmission) -> bool:
        """Return whether an answer, if there was one, certainly reported success."""
        return (
            self._is_stored(transmission)
            and not self._is_uncertain(transmission)
            and self._committed.get(transmission.number, True)
        )

    def may_be_ok(self, transmission: Transmission) -> bool:
        """Return whether an answer, if there was one, reported success for all that is known."""
        return self._is_stored(transmission) and (
            self._is_uncertain(transmission) or self._committed.get(transmission.number, True)
        )

    def _is_stored(self, transmission: Transmission) -> bool:
        if not self.is_appended(transmission):
            return False
        hits = self._hits.get(transmission.number)
        return hits is None or (
            self.code(transmission) is None and not any(hit.code is None for hit in hits)
        )

    def _is_uncertain(self, transmission: Transmission) -> bool:
        """Return whether the commit of a request may have failed, so that an answer without a
        fault may hold an error code."""
        if not self._commit:
            return False
        if transmission.number not in self._committed:
            return True
        place = bisect_left(self._changes, transmission.t)
        return place < len(self._changes) and self._changes[place] <= self.at(transmission)

    def _commits(self, evidence: Evidence, times: Timing) -> Iterator[tuple[int, bool]]:
        """Yield the requests whose commit is certain, and whether it came before the answer.

        An answer that was written before the commit says that the timeout for it was over, for all
        entries. One that was written when the commit came says that it came in time, but only of a
        request with one entry: each entry waits for as long as the timeout, which no event tells.
        With real sockets the machine may have added as much to a shorter timeout. Where the commit
        and the end of the timeout coincide, neither is certain.
        """
        longest = min(times.wait, evidence.scenario.producer.timeout)
        late = {hit.transmission for hit in evidence.events_of(FaultHit) if hit.delay_s}
        stored_at: dict[int, float] = {}
        for append in evidence.events_of(Appended):
            stored_at.setdefault(append.transmission, append.t)
        for read in evidence.requests:
            number = read.transmission
            if number not in stored_at or number not in self._at:
                continue
            committed_at, answered_at = stored_at[number] + times.commit, self._at[number]
            if answered_at < committed_at - times.slack:
                yield number, False
            elif len(read.carried) == 1 and number not in late and times.exact:
                in_time = answered_at >= committed_at - ROUNDING_S
                timeout = longest if read.timeout_ms is None else read.timeout_ms / 1000
                if not in_time or answered_at < stored_at[number] + timeout - ROUNDING_S:
                    yield number, in_time

    def _replicated(self, evidence: Evidence, times: Timing) -> Iterator[tuple[int, bool]]:
        """Yield the same where the replicas decide when a request is committed."""
        margin = times.slack + ROUNDING_S
        for read in evidence.requests:
            turns = list(evidence.once(replicas).turns(read))
            if not turns or read.transmission not in self._at:
                continue
            if all(turn.committed_at < turn.timeout_at - margin for turn in turns):
                yield read.transmission, True
            elif all(turn.committed_at > turn.timeout_at + margin for turn in turns):
                yield read.transmission, False

    def is_appended(self, transmission: Transmission) -> bool:
        """Return whether the records of a request were stored."""
        return (transmission.number, transmission.entry) in self._appended

    def code(self, transmission: Transmission) -> str | None:
        """Return the error code that a fault put into the answer; None if no fault did."""
        if transmission.number not in self._hits:
            return None
        codes = [hit.code for hit in self._concerning(transmission) if hit.code is not None]
        return codes[-1] if codes else None

    def _concerning(self, transmission: Transmission) -> Iterator[FaultHit]:
        """Yield the hits that concern the entry of a transmission; a forged answer is false as a
        whole."""
        for hit in self._hits.get(transmission.number, ()):
            forged = Effect.FORGES_ANSWER in hit.effects
            if forged or hit.concerns(transmission.partition, transmission.entry):
                yield hit

    def final_code(self, transmission: Transmission) -> str | None:
        """Return the same code if it is final, else None."""
        code = self.code(transmission)
        return None if code in RETRIABLE else code


def answers(evidence: Evidence) -> Answers:
    """Return the answers of a run; for ``Evidence.once``."""
    return Answers(evidence)
