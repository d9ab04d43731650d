"""Runs a scenario: connect, work under faults, heal, drain, probe, read the logs.

Faults strike from the first step of the workload to its end. Then all faults are lifted, and the
client has time to settle its open records. One probe for each partition shows whether the client
works with the healed cluster. The logs are read only after every connection has ended: from then on
an absent record is lost and cannot be late.

Every call of the client has a bound. The harness waits slightly longer than the bound and records
that the call did not end, so that a client that hangs is a finding and does not hang the test. A
client in a process of its own is then killed, since no further call is possible. The records that
it sent are judged all the same.
"""

import errno
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import count

import trio

from chaos.drivers import (
    Broken,
    CallFailed,
    DriverSession,
    NotStarted,
    OpenSession,
    Recorder,
    Silent,
)
from chaos.drivers.adapted import adapted
from chaos.drivers.kinds.producer import open_producer
from chaos.history import (
    Call,
    CallEnded,
    CallStarted,
    History,
    Need,
    Op,
    Outcome,
    RecordSent,
    RecordSettled,
    SentRecord,
    Unreadable,
)
from chaos.spec.bounds import GRACE_S, send_bound, settle_bound
from chaos.spec.record_form import ID_BYTES, RecordForm
from chaos.spec.scenario import Scenario
from chaos.world.gc_pause import gc_paused
from chaos.world.world import World, WorldName, run_in
from producer.delivery.partitioner import partition_of_key
from producer.net.dialling import Dial
from simulator import Config, Simulator, open_simulator
from simulator.cluster.cluster import Partition, Topic
from wire.batch import Record, decode_batch
from wire.codec import WireError

PROBE = RecordForm(size=ID_BYTES)
"""The form of a probe, whose key chooses its partition."""

LET_GO_S = {"virtual": 3600.0, "tcp": 1.0}
"""How long a closed client may take to close its connections by itself, in seconds."""

DRAIN_S = {"virtual": 24 * 3600.0, "tcp": 10.0}
"""How long the connections may take to end after the client was ended, in seconds. The longest
delay of a fault is an hour, which is too long to wait for with real sockets."""

RUN_S = {"virtual": 1e9, "tcp": 300.0}
"""How long a whole run may take, in seconds."""


def run_scenario(
    scenario: Scenario, world: WorldName = "virtual", open_session: OpenSession = open_producer
) -> History:
    """Run a scenario once.

    Args:
        scenario: what to run.
        world: where to run it.
        open_session: connects the client under test.

    Returns:
        The history of the run. An error of the harness is its ``defect``.
    """
    with gc_paused():
        return run_in(world, scenario, _Run(scenario, world, open_session).main)


def _reporting(dial: Dial, simulator: Simulator) -> Dial:
    """Return a dialler that reports refused connects; a client that dials by itself does not use
    it."""

    async def reporting(host: str, port: int) -> trio.abc.Stream:
        try:
            stream = await dial(host, port)
        except OSError as error:
            simulator.dialled(port, refused=_is_refusal(error))
            raise
        simulator.dialled(port, refused=False)
        return stream

    return reporting


def _is_refusal(error: BaseException) -> bool:
    """Return whether a connect failed because nothing listens; trio raises from a group of the
    errors for each address."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_refusal, error.exceptions))
    if error.__cause__ is not None:
        return _is_refusal(error.__cause__)
    return isinstance(error, OSError) and error.errno == errno.ECONNREFUSED


class _Run(Recorder):
    """One run in progress."""

    def __init__(self, scenario: Scenario, world: WorldName, open_session: OpenSession) -> None:
        self._scenario = scenario
        self._history = History(scenario, world)
        self._open_session = open_session
        self._open: dict[int, SentRecord] = {}
        """Records that the client accepted and that are not settled, by id."""
        self._simulator: Simulator
        self._session: DriverSession
        self._end_session: Callable[[], None] = lambda: None

    async def main(self, world: World) -> History:
        """Run the whole experiment and return its history."""
        try:
            with trio.move_on_after(RUN_S[world.name]) as scope:
                await self._experiment(world)
            if scope.cancelled_caught:
                self._history.defect = f"the run took longer than {RUN_S[world.name]:g} s"
        except Exception as error:
            self._history.defect = _one_line(error)
        return self._history

    async def _experiment(self, world: World) -> None:
        scenario, history = self._scenario, self._history
        config = Config(
            spus=scenario.cluster.spus,
            topics={scenario.topic.name: scenario.topic.partitions},
            faults=scenario.faults,
            seed=scenario.seed,
            commit_delay_s=scenario.cluster.commit_delay,
        )
        async with open_simulator(
            config, sinks=[history.events.append], listen=world.listen, faults_wait=True
        ) as simulator:
            self._simulator = simulator
            started_ns = self._zero_ns(world)
            await self._let_client_work(replace(world, dial=_reporting(world.dial, simulator)))
            history.zero_ns = [started_ns, self._zero_ns(world)]
            for patience_s in (LET_GO_S[world.name], DRAIN_S[world.name]):
                with trio.move_on_after(patience_s):
                    await simulator.drained()
                    history.drained = history.healed_at is not None
                    break
                self._end_session()
            history.logs = self._read_logs()
            history.faults = simulator.summary().faults

    @property
    def _topic(self) -> Topic | None:
        """The topic, if it exists."""
        return self._simulator.cluster.topics.get(self._scenario.topic.name)

    def _read_logs(self) -> dict[int, Sequence[Record]]:
        """Return the records of each partition of the topic."""
        partitions = [] if self._topic is None else self._topic.partitions
        return {partition.index: self._read_log(partition) for partition in partitions}

    def _read_log(self, partition: Partition) -> list[Record]:
        """Return the records of a partition; note a batch that does not decode and go on."""
        records: list[Record] = []
        incarnation = len(self._history.removed)
        for batch in partition.log.batches:
            try:
                records += decode_batch(batch.data)[1]
            except WireError as error:
                self._history.unreadable.append(
                    Unreadable(
                        partition.index, batch.base_offset, batch.records, str(error), incarnation
                    )
                )
        return records

    async def _let_client_work(self, world: World) -> None:
        """Run one client session; an exception that leaves the session's context is the client's
        defect."""
        history = self._history
        call = self._begin("connect")
        try:
            async with self._open_session(
                self._simulator.address, self._scenario, world, self
            ) as self._session:
                self._end_session = self._session.end
                self._end(call, "ok")
                self._adapt()
                try:
                    await self._work(world)
                except Exception as error:
                    history.defect = _one_line(error)
        except CallFailed as failure:
            self._end(call, failure.outcome, str(failure))
        except NotStarted as failure:
            self._give_up(call, str(failure))
            history.not_started = str(failure)
        except (Silent, Broken) as failure:
            self._lost_client(failure)
        except Exception as error:
            history.crash = _one_line(error)

    def _adapt(self) -> None:
        """Limit the scenario to what the client supports."""
        self._scenario, self._history.not_applicable = adapted(
            self._scenario, self._session.not_applicable
        )
        self._history.lacks = {
            need: str(self._session.not_applicable[need])
            for need in Need
            if need in self._session.not_applicable
        }
        if self._history.not_applicable:
            self._history.requested = self._history.scenario
        self._history.scenario = self._scenario

    async def _work(self, world: World) -> None:
        self._simulator.begin_faults()
        alive = await self._phase(self._perform_all)
        await self._simulator.heal()
        self._history.healed_at = self._simulator.elapsed()
        if alive:
            await self._phase(partial(self._finish, world))

    async def _phase(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Run a phase; return False if the client died during it."""
        try:
            await work()
        except (Silent, Broken) as failure:
            self._lost_client(failure)
            return False
        return True

    def _lost_client(self, failure: Silent | Broken) -> None:
        """Record that the client is gone, and give up its open calls."""
        if isinstance(failure, Silent):
            self._history.silent = str(failure)
        else:
            self._history.crash = str(failure)
        for call in self._history.calls:
            if call.ended is None and call.given_up is None:
                self._give_up(call, str(failure))

    async def _perform_all(self) -> None:
        for step in self._scenario.workload:
            await step.perform(self)

    async def _finish(self, world: World) -> None:
        """Check that the client works with the healed cluster, and close it."""
        await self.wait()
        await trio.sleep(world.settle_s)
        await self._probe()
        await self._call("close", self._session.close, self._settle_s())

    # --- the interface for steps: ``chaos.spec.step.Harness``

    async def send(self, count: int, form: RecordForm, *, wait: bool, pace: float) -> None:
        """Send records one by one."""
        call = self._begin("send")
        records = (self._formed(call, form, n) for n in range(count))
        await self._send_each(records, wait=wait, pace=pace)
        self._end(call, "ok")

    async def _send_each(
        self, records: Iterable[SentRecord], *, wait: bool = False, pace: float = 0.0
    ) -> None:
        """Send records one by one, each within its own bound."""
        session, bound = self._session, send_bound(self._scenario.producer) + GRACE_S
        remaining = iter(records)
        while True:
            # One scope for as long as no send blocks: entering a scope costs more than a send.
            with trio.move_on_after(bound) as scope:
                for record in remaining:
                    self._open[record.id] = record
                    try:
                        await session.send(record)
                        record.taken_at = now = self.now()
                    except CallFailed as failure:
                        record.queue_full = failure.queue_full
                        self.failed(record, failure.outcome, str(failure))
                        now = self.now()
                    if wait or pace:
                        break
                    if now > record.sent_at:
                        scope.deadline = trio.current_time() + bound
                else:
                    return
            if wait:
                await self.wait()
            if pace:
                await self.sleep(pace)

    async def send_all(self, count: int, form: RecordForm) -> None:
        """Send records with one call."""
        call = self._begin("send_all")
        records = [self._formed(call, form, n) for n in range(count)]
        self._open.update((record.id, record) for record in records)
        bound = send_bound(self._scenario.producer) * len(records)
        with trio.move_on_after(bound + GRACE_S):
            try:
                await self._session.send_all(records)
                for record in records:
                    record.taken_at = self.now()
                self._end(call, "ok")
            except CallFailed as failure:
                # The client does not report which records it accepted.
                for record in records:
                    if record.id in self._open:
                        record.queue_full = True
                        self.failed(record, "unknown", str(failure))
                self._end(call, failure.outcome, str(failure))
        if call.ended is None:
            self._give_up(call)

    async def flush(self) -> None:
        """Flush the producer."""
        before = list(self._open)
        call = await self._call("flush", self._session.flush, self._settle_s())
        call.open_after = [n for n in before if n in self._open]

    async def wait(self) -> None:
        """Wait until every record sent so far is settled."""
        await self._call("wait", self._session.wait, self._settle_s())

    async def sleep(self, seconds: float) -> None:
        """Pause the workload."""
        await trio.sleep(seconds)

    def move_leader(self, partition: int, to: int) -> None:
        """Make an SPU the leader of a partition, if the topic has it."""
        if self._topic is not None and partition < len(self._topic.partitions):
            self._simulator.move_leader(self._topic.name, partition, to)

    def create_topic(self, partitions: int) -> None:
        """Create the topic, unless it exists."""
        if self._topic is None:
            self._simulator.create_topic(self._scenario.topic.name, partitions)

    def delete_topic(self) -> None:
        """Delete the topic, if it exists, and keep its logs."""
        if self._topic is not None:
            self._history.removed.append(self._read_logs())
            self._simulator.delete_topic(self._topic.name)

    def add_partitions(self, count: int) -> None:
        """Add partitions to the topic, if it exists."""
        if self._topic is not None:
            self._simulator.add_partitions(self._topic.name, count)

    def cut(self, server: str) -> None:
        """Reset the connections of a server."""
        self._simulator.cut(server)

    async def change_address(self, spu: int) -> None:
        """Make an SPU listen at another address."""
        await self._simulator.change_address(spu)

    async def stop_spu(self, spu: int) -> None:
        """Close the listener of an SPU and reset its connections."""
        await self._simulator.stop_spu(spu)

    async def start_spu(self, spu: int) -> None:
        """Make an SPU listen again."""
        await self._simulator.start_spu(spu)

    # --- the end of a run

    async def _probe(self) -> None:
        """Send one record to each partition, if the topic exists; each must be acknowledged."""
        if self._topic is None:
            return
        partitions = len(self._topic.partitions)
        call = self._begin("probe")
        probes = [
            self._new_record(call, key, PROBE.value_of(self._next_id), probe=True)
            for key in _keys_for_each_of(partitions)
        ]
        await self._send_each(probes)
        with trio.move_on_after(self._settle_s() + GRACE_S):
            await self._session.wait()
        outcome: Outcome = "ok" if all(record.outcome == "ok" for record in probes) else "unknown"
        self._end(call, outcome, next((r.error for r in probes if r.error), None))

    # --- calls and records

    async def _call(self, op: Op, method: Callable[[], Awaitable[None]], bound: float) -> Call:
        """Call the client, and give the call up shortly after its bound."""
        call = self._begin(op)
        with trio.move_on_after(bound + GRACE_S):
            try:
                await method()
                self._end(call, "ok")
            except CallFailed as failure:
                self._end(call, failure.outcome, str(failure))
        if call.ended is None:
            self._give_up(call)
        return call

    def _settle_s(self) -> float:
        """Return the bound, in seconds, for settling all open records."""
        return settle_bound(self._scenario.producer, ahead=len(self._open))

    def _begin(self, op: Op) -> Call:
        history = self._history
        call = Call(
            n=len(history.calls),
            op=op,
            started=self.now(),
            first=len(history.records),
            open_before=len(self._open),
        )
        history.calls.append(call)
        history.events.append(CallStarted(t=call.started, call=call.n, op=op))
        return call

    def _end(self, call: Call, outcome: Outcome, error: str | None = None) -> None:
        call.ended, call.outcome, call.error = self.now(), outcome, error
        self._history.events.append(
            CallEnded(t=call.ended, call=call.n, outcome=outcome, error=error)
        )

    def _give_up(self, call: Call, why: str | None = None) -> None:
        """Record that a call did not end."""
        call.given_up, call.error = self.now(), why
        self._history.events.append(
            CallEnded(t=call.given_up, call=call.n, outcome="unknown", error=why, given_up=True)
        )

    @property
    def _next_id(self) -> int:
        return len(self._history.records)

    def _formed(self, call: Call, form: RecordForm, n: int) -> SentRecord:
        """Return the next record of a step."""
        return self._new_record(call, form.key_of(n, self._next_id), form.value_of(self._next_id))

    def _new_record(
        self, call: Call, key: bytes | None, value: bytes, *, probe: bool = False
    ) -> SentRecord:
        records = self._history.records
        now = self.now()
        record = SentRecord(len(records), key, value, call.n, now, probe=probe)
        records.append(record)
        self._history.events.append(RecordSent(t=now, record=record.id, probe=probe))
        return record

    def now(self) -> float:
        """Return the time of the run in seconds."""
        return self._simulator.elapsed()

    def _zero_ns(self, world: World) -> int:
        """Return the time of day at the time 0 of the run, by the clock of now."""
        return world.now_ns() - round(self.now() * 1e9)

    # --- outcomes, as the client reports them

    def stored(self, record: SentRecord, partition: int | None, offset: int | None) -> None:
        """Record that the client reported a record as stored."""
        record.partition, record.offset = partition, offset
        self._settled(record, "ok")

    def failed(self, record: SentRecord, outcome: Outcome, error: str) -> None:
        """Record that the client reported a record as given up."""
        record.error = error
        self._settled(record, outcome)

    def _settled(self, record: SentRecord, outcome: Outcome) -> None:
        record.outcome, record.outcome_at = outcome, self.now()
        self._open.pop(record.id, None)
        self._history.events.append(
            RecordSettled(
                t=record.outcome_at,
                record=record.id,
                outcome=outcome,
                partition=record.partition,
                offset=record.offset,
                error=record.error,
            )
        )


@lru_cache
def _keys_for_each_of(partitions: int) -> Sequence[bytes]:
    """Return a key for each partition, by the hash that all Fluvio clients use."""
    found: dict[int, bytes] = {}
    for n in count():
        key = b"probe-%d" % n
        found.setdefault(partition_of_key(key, partitions), key)
        if len(found) == partitions:
            return [found[index] for index in range(partitions)]
    raise AssertionError("unreachable")


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
