"""Performs the steps of a workload with one producer of the client.

Every call of the client has a bound. The harness waits slightly longer than the bound and records
that the call did not end, so that a client that hangs is a finding and does not hang the test. A
caller may also cancel a call before, as a step says.

Steps inside ``concurrently`` share the producer of the step around them; those inside
``with_producer`` have their own. A producer that was closed is replaced when the next call needs
one.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

import trio

from chaos.drivers import CallFailed, DriverSession
from chaos.history import Call, Op, Outcome, SentRecord
from chaos.runner.producers import HeldProducer, Producers
from chaos.runner.run_cluster import RunCluster, SimulatedCluster
from chaos.runner.run_recorder import RunRecorder
from chaos.spec.bounds import GRACE_S, send_bound, settle_bound
from chaos.spec.consume_terms import ConsumeTerms
from chaos.spec.record_form import NO_LINES, RecordForm
from chaos.spec.scenario import Scenario
from chaos.spec.step import Step


class Caller:
    """Performs steps; a ``Harness``.

    Args:
        scenario: gives the bounds.
        cluster: the cluster.
        recorder: records the calls.
        producers: makes further producers.
        held: the producer to use; None makes one when it is needed.
        consume: reads the topic with a consumer.
    """

    def __init__(
        self,
        scenario: Scenario,
        cluster: RunCluster,
        recorder: RunRecorder,
        producers: Producers,
        held: HeldProducer | None,
        consume: Callable[[ConsumeTerms], Awaitable[None]],
    ) -> None:
        self._consume = consume
        self._scenario = scenario
        self.cluster = cluster
        """The cluster."""
        self._recorder = recorder
        self._producers = producers
        self._held = held
        self._opening = trio.Lock()

    async def perform(self, steps: Iterable[Step]) -> None:
        """Perform steps, one after the other."""
        for step in steps:
            await step.perform(self)

    # --- the interface for steps: ``chaos.spec.step.Harness``

    async def send(
        self,
        count: int,
        form: RecordForm,
        *,
        wait: bool,
        pace: float,
        cancel_after: float | None,
    ) -> None:
        """Send records one by one."""
        held = await self._producer()
        if held is None or not self._producers.can("send"):
            return
        call, form = self._recorder.begin("send", held.number), self._possible_form(form)
        records = self._recorder.formed(call, form, count)
        wait = wait and self._producers.can("wait")
        pause = partial(self._pause, held, wait=wait, pace=pace) if wait or pace else None
        await self._send_each(held.session, records, pause, self._possible(cancel_after))
        self._recorder.end(call)

    async def _pause(self, held: HeldProducer, *, wait: bool, pace: float) -> None:
        if wait:
            await self._call("wait", held, held.session.wait)
        if pace:
            await trio.sleep(pace)

    async def _send_each(
        self,
        session: DriverSession,
        records: Iterable[SentRecord],
        pause: Callable[[], Awaitable[None]] | None = None,
        cancel_after: float | None = None,
    ) -> None:
        """Send records one by one, each within its own bound."""
        recorder, bound = self._recorder, send_bound(self._scenario.producer) + GRACE_S
        limit = bound if cancel_after is None else min(cancel_after, bound)
        remaining = iter(records)
        while True:
            # One scope for as long as no send blocks: entering a scope costs more than a send.
            with trio.move_on_after(limit) as scope:
                for record in remaining:
                    recorder.open[record.id] = record
                    try:
                        await session.send(record)
                        record.taken_at = now = recorder.now()
                    except CallFailed as failure:
                        record.queue_full = failure.queue_full
                        recorder.failed(record, failure.outcome, str(failure), "output")
                        now = recorder.now()
                    if pause is not None:
                        break
                    if now > record.sent_at:
                        scope.deadline = trio.current_time() + limit
                else:
                    return
            if scope.cancelled_caught and limit < bound:
                recorder.cancelled(record)
            if pause is not None:
                await pause()

    async def send_all(self, count: int, form: RecordForm) -> None:
        """Send records with one call."""
        held, recorder = await self._producer(), self._recorder
        if held is None or not self._producers.can("send"):
            return
        call, form = recorder.begin("send_all", held.number), self._possible_form(form)
        records = [*recorder.formed(call, form, count)]
        recorder.open.update((record.id, record) for record in records)
        bound = send_bound(self._scenario.producer) * len(records)
        with trio.move_on_after(bound + GRACE_S):
            try:
                await held.session.send_all(records)
                for record in records:
                    record.taken_at = recorder.now()
                recorder.end(call)
            except CallFailed as failure:
                # The client does not report which records it accepted.
                for record in records:
                    if record.id in recorder.open:
                        record.queue_full = True
                        recorder.failed(record, "unknown", str(failure), "output")
                recorder.fail(call, failure)
        if call.ended is None:
            recorder.give_up(call)

    async def flush(self, cancel_after: float | None) -> None:
        """Flush the producer."""
        held = await self._producer()
        if held is None or not self._producers.can("flush"):
            return
        before = [r.id for r in self._open_of(held) if r.taken_at is not None]
        call = await self._call("flush", held, held.session.flush, cancel_after)
        still_open = self._recorder.open
        call.open_after = [n for n in before if n in still_open]

    async def wait(self, cancel_after: float | None) -> None:
        """Wait until every record sent so far is settled."""
        held = await self._producer()
        if held is not None and self._producers.can("wait"):
            await self._call("wait", held, held.session.wait, cancel_after)

    async def wait_for(self, ids: Sequence[int], cancel_after: float | None) -> None:
        """Wait for single records, one after the other."""
        if not self._producers.can("wait"):
            return
        records = self._recorder.history.records
        for record in (records[n] for n in ids if n < len(records)):
            waited = record.waited_at is not None
            if record.taken_at is None or (waited and not self._producers.can("wait twice")):
                continue
            held = self._producers.numbered(record.producer)
            await self._call("wait", held, partial(held.session.wait_for, record), cancel_after)

    async def close(self, cancel_after: float | None) -> None:
        """Close the producer; the next call makes a new one."""
        held = self._held
        if held is None or not self._producers.can("close"):
            return
        self._held = None
        await self._call("close", held, held.session.close, cancel_after)

    async def leave(self, *, cancelled: bool) -> None:
        """Leave the block of the producer; the next call makes a new one."""
        if not self._producers.can("with_producer"):
            return  # the first producer has no block
        held, self._held = self._held, None
        if held is None:
            return
        if not self._producers.can("leave"):
            await self._call("leave", held, held.leave)
        elif cancelled:
            await self._call("leave", held, held.cancel, cancelled=True)
        else:
            await self._call("raise", held, held.fail)

    async def with_producer(self, steps: Sequence[Step]) -> None:
        """Perform steps with another producer, and leave its block."""
        if not self._producers.can("with_producer"):
            await self.perform(steps)
            return
        held = await self._producers.open()
        if held is None:
            return
        inner = Caller(
            self._scenario,
            self.cluster,
            self._recorder,
            self._producers,
            held,
            self._consume,
        )
        await inner.perform(steps)
        if inner._held is not None:
            await self._call("leave", inner._held, inner._held.leave)

    async def concurrently(self, branches: Sequence[Sequence[Step]]) -> None:
        """Perform several lists of steps at once."""
        if not self._producers.can("concurrently"):
            for branch in branches:
                await self.perform(branch)
            return
        failures: list[Exception] = []
        async with trio.open_nursery() as nursery:

            async def perform(branch: Sequence[Step]) -> None:
                try:
                    await self.perform(branch)
                except Exception as failure:
                    failures.append(failure)
                    nursery.cancel_scope.cancel()

            for branch in branches:
                nursery.start_soon(perform, branch)
        if failures:
            raise failures[0]

    async def consume(self, terms: ConsumeTerms) -> None:
        """Read the topic with a consumer."""
        await self._consume(terms)

    async def sleep(self, seconds: float) -> None:
        """Pause the workload."""
        await trio.sleep(seconds)

    @property
    def simulator(self) -> SimulatedCluster:
        """The cluster, which is the simulator: no other one runs a scenario that needs it."""
        assert isinstance(self.cluster, SimulatedCluster)
        return self.cluster

    # --- probes

    async def probe(self, keys: Iterable[bytes]) -> None:
        """Send one record for each key; each must be acknowledged."""
        held, recorder = await self._producer(), self._recorder
        if held is None:
            return
        call = recorder.begin("probe", held.number)
        probes = [recorder.probe(call, key) for key in keys]
        await self._send_each(held.session, probes)
        with trio.move_on_after(self._settle_s() + GRACE_S):
            await held.session.wait()
        outcome: Outcome = "ok" if all(record.outcome == "ok" for record in probes) else "unknown"
        recorder.end(call, outcome, next((r.error for r in probes if r.error), None))

    # --- calls

    async def _producer(self) -> HeldProducer | None:
        """Return the producer to use; None if the client made none."""
        if self._held is None:
            async with self._opening:  # another branch may be making one
                if self._held is None:
                    self._held = await self._producers.open()
        return self._held

    def _possible(self, cancel_after: float | None) -> float | None:
        return cancel_after if self._producers.can("cancel_after") else None

    async def _call(
        self,
        op: Op,
        held: HeldProducer,
        method: Callable[[], Awaitable[None]],
        cancel_after: float | None = None,
        *,
        cancelled: bool = False,
    ) -> Call:
        """Call the client; cancel the call when that is due, or give it up shortly after its
        bound. A method may cancel the call by itself (``cancelled``)."""
        recorder, bound = self._recorder, self._settle_s() + GRACE_S
        cancel_after = self._possible(cancel_after)
        limit = bound if cancel_after is None else min(cancel_after, bound)
        call = recorder.begin(op, held.number)
        cancels, due = limit < bound, call.started + limit
        if cancelled:
            call.cancelled_at = call.started
        with trio.move_on_after(limit):
            try:
                await method()
                recorder.end(call)
            except CallFailed as failure:
                recorder.fail(call, failure)
        if call.ended is None and cancels:
            recorder.cancel(call, due)
        elif call.ended is None:
            recorder.give_up(call)
        elif cancels and call.ended > due:
            call.cancelled_at = due  # and the client went on
        return call

    def _possible_form(self, form: RecordForm) -> RecordForm:
        instead: dict[str, object] = {}
        if not self._producers.can("keys"):
            instead["keys"] = 0
        if form.value in NO_LINES and not self._producers.can("values of any bytes"):
            instead["value"] = "text"
        return form.model_copy(update=instead) if instead else form

    def _settle_s(self) -> float:
        """Return the bound, in seconds, for settling all open records."""
        return settle_bound(self._scenario.producer, ahead=len(self._recorder.open))

    def _open_of(self, held: HeldProducer) -> list[SentRecord]:
        return [r for r in self._recorder.open.values() if r.producer == held.number]
