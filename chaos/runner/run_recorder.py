"""Writes the client's side of a history: calls, records, and everything that the client reports."""

from collections.abc import Callable, Iterator, Sequence

from chaos.drivers import CallFailed, Recorder
from chaos.history import (
    Call,
    CallEnded,
    CallStarted,
    DeliveryReported,
    History,
    Op,
    Outcome,
    OutcomeReport,
    ProducerReport,
    RecordSent,
    RecordSettled,
    ReportSource,
    SentRecord,
)
from chaos.spec.record_form import ID_BYTES, RecordForm

PROBE = RecordForm(size=ID_BYTES)
"""The form of a probe."""


class RunRecorder(Recorder):
    """Records what a client does and reports in one run.

    Args:
        history: receives all of it.
        now: returns the time of the run in seconds.
    """

    def __init__(self, history: History, now: Callable[[], float]) -> None:
        self.history = history
        self.open: dict[int, SentRecord] = {}
        """Records that the client may have accepted and that are not settled, by id."""
        self._now = now

    def now(self) -> float:
        """Return the time of the run in seconds."""
        return self._now()

    # --- calls

    def begin(self, op: Op, producer: int = 0) -> Call:
        """Record that a call starts."""
        history, now = self.history, self._now()
        number = len(history.calls)
        call = Call(number, op, now, first=len(history.records), producer=producer)
        history.calls.append(call)
        history.events.append(CallStarted(t=now, call=number, op=op))
        return call

    def end(self, call: Call, outcome: Outcome = "ok", error: str | None = None) -> None:
        """Record that a call ended by itself."""
        call.ended = now = self._now()
        call.outcome, call.error = outcome, error
        self._over(call, now)

    def fail(self, call: Call, failure: CallFailed) -> None:
        """Record that a call ended with an error."""
        call.given_up_records = failure.records
        self.end(call, failure.outcome, str(failure))

    def cancel(self, call: Call, cancelled_at: float) -> None:
        """Record that a call ended because its caller cancelled it."""
        call.ended, call.cancelled_at = self._now(), cancelled_at
        self._over(call, call.ended)

    def give_up(self, call: Call, why: str | None = None) -> None:
        """Record that a call did not end."""
        call.given_up, call.error = self._now(), why
        self._over(call, call.given_up)

    def give_up_all(self, why: str) -> None:
        """Record that no open call has ended."""
        for call in self.history.calls:
            if call.ended is None and call.given_up is None:
                self.give_up(call, why)

    def _over(self, call: Call, t: float) -> None:
        call.next = len(self.history.calls)
        self.history.events.append(
            CallEnded(
                t=t,
                call=call.n,
                outcome=call.outcome,
                error=call.error,
                given_up=call.given_up is not None,
                cancelled=call.cancelled_at is not None,
            )
        )

    # --- records

    def formed(self, call: Call, form: RecordForm, count: int) -> Iterator[SentRecord]:
        """Yield the records of a step; each is about to be sent when it is asked for."""
        for n in range(count):
            number = len(self.history.records)
            yield self._new_record(call, form.key_of(n, number), form.value_of(number))

    def probe(self, call: Call, key: bytes) -> SentRecord:
        """Return a probe; its key chooses its partition."""
        return self._new_record(call, key, PROBE.value_of(len(self.history.records)), probe=True)

    def _new_record(
        self, call: Call, key: bytes | None, value: bytes, *, probe: bool = False
    ) -> SentRecord:
        """Record that a record is about to be sent."""
        history, now = self.history, self._now()
        number = len(history.records)
        record = SentRecord(number, key, value, call.n, now, probe=probe, producer=call.producer)
        history.records.append(record)
        history.events.append(RecordSent(t=now, record=number, probe=probe))
        return record

    def cancelled(self, record: SentRecord) -> None:
        """Record that the caller cancelled the send of a record."""
        record.cancelled_at = self._now()
        self.open.pop(record.id, None)

    # --- reports of the client

    def stored(
        self,
        record: SentRecord,
        partition: int | None,
        offset: int | None,
        timestamp: int | None = None,
        source: ReportSource = "wait",
    ) -> None:
        """Record that the client reported a record as stored."""
        if source == "wait" and record.waited_at is None:
            record.waited_at = self._now()
        if record.outcome_at is None:
            record.partition, record.offset, record.timestamp = partition, offset, timestamp
            self._settled(record, "ok")
        elif (
            record.offset != offset
            or record.outcome != "ok"
            or record.partition != partition
            or record.timestamp != timestamp
        ):
            told = OutcomeReport(source, self._now(), "ok", partition, offset, timestamp)
            record.contradictions.append(told)

    def failed(
        self, record: SentRecord, outcome: Outcome, error: str, source: ReportSource = "wait"
    ) -> None:
        """Record that the client reported a record as given up."""
        if source == "wait" and record.waited_at is None:
            record.waited_at = self._now()
        if record.outcome_at is None:
            record.error = error
            self._settled(record, outcome)
        elif record.outcome != outcome:
            record.contradictions.append(OutcomeReport(source, self._now(), outcome, error=error))

    def reported(self, report: DeliveryReported) -> None:
        """Record a call of the delivery callback."""
        self.history.reports.append(report)

    def producer(self, number: int) -> ProducerReport:
        """Return where a driver notes what a producer told beside its calls."""
        producers = self.history.producers
        while len(producers) <= number:
            producers.append(ProducerReport())
        return producers[number]

    def expect(self, values: Sequence[bytes]) -> Sequence[SentRecord]:
        """Record that the client sends these values by itself, and return the records."""
        call = self.begin("send")
        records = [self._new_record(call, None, value) for value in values]
        for record in records:
            self.open[record.id] = record
            record.taken_at = record.sent_at
        self.end(call)
        return records

    def exited(self, how: str | None, complaint: Sequence[str]) -> None:
        """Record how an application ended."""
        self.history.exit, self.history.complaint = how, list(complaint)

    def _settled(self, record: SentRecord, outcome: Outcome) -> None:
        number, now = record.id, self._now()
        record.outcome, record.outcome_at = outcome, now
        self.open.pop(number, None)
        self.history.events.append(
            RecordSettled(
                t=now,
                record=number,
                outcome=outcome,
                partition=record.partition,
                offset=record.offset,
                error=record.error,
            )
        )
