"""One run of a scenario: connect, work under faults, heal, drain, probe, read the logs.

Faults strike from the first step of the workload to its end. Then they are lifted and the client
gets the time to settle what is open; a cluster that is whole again must find a client that is. One
probe for each partition shows that. Only when every connection has ended are the logs read: from
then on a record that is not there is lost, and not late.

Every call of the client has a bound. The harness gives up waiting a little behind it and writes
down that the call did not end, so that a client that hangs is a finding and no hanging test. A
client in a process of its own is ended then: nothing can be asked of it any more. What it left is
judged all the same.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import lru_cache, partial
from itertools import count

import trio

from chaos.drivers import Broken, Client, OpenClient, Recorder, Refused, Silent
from chaos.drivers.adapted import adapted
from chaos.drivers.kinds.producer import open_producer
from chaos.history import (
    Call,
    CallEnded,
    CallStarted,
    History,
    Op,
    Outcome,
    RecordSent,
    RecordSettled,
    SentRecord,
    Unreadable,
)
from chaos.spec.bounds import GRACE_S, send_bound, settle_bound
from chaos.spec.scenario import Scenario
from chaos.spec.step import ID_BYTES
from chaos.world.gc_pause import gc_paused
from chaos.world.world import World, WorldName, run_in
from producer.delivery.partitioner import partition_of_key
from simulator import Config, Simulator, open_simulator
from wire.batch import Record, decode_batch
from wire.codec import WireError

LET_GO_S = {"virtual": 3600.0, "tcp": 1.0}
"""How long a client that was closed may take to let go of its connections by itself."""

DRAIN_S = {"virtual": 24 * 3600.0, "tcp": 10.0}
"""How long every connection may take to end once the client is gone: the longest delay of a fault
is an hour, and nobody waits for that with real sockets."""

RUN_S = {"virtual": 1e9, "tcp": 300.0}
"""How long a whole run may take."""


def run_scenario(
    scenario: Scenario, world: WorldName = "virtual", open_client: OpenClient = open_producer
) -> History:
    """Run a scenario once.

    Args:
        scenario: what to do.
        world: where.
        open_client: connects the client that does it.

    Returns:
        What happened. An error of the harness is in it too, as its ``defect``.
    """
    with gc_paused():
        return run_in(world, scenario, _Run(scenario, world, open_client).main)


class _Run(Recorder):
    """A run under way."""

    def __init__(self, scenario: Scenario, world: WorldName, open_client: OpenClient) -> None:
        self._scenario = scenario
        self._history = History(scenario, world)
        self._open_client = open_client
        self._open: dict[int, SentRecord] = {}
        """Records that were taken in and not settled yet, by id."""
        self._simulator: Simulator
        self._client: Client
        self._end_client: Callable[[], None] = lambda: None

    async def main(self, world: World) -> History:
        """All of it."""
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
            await self._let_client_work(world)
            for patience_s in (LET_GO_S[world.name], DRAIN_S[world.name]):
                with trio.move_on_after(patience_s):
                    await simulator.drained()
                    history.drained = history.healed_at is not None
                    break
                self._end_client()
            for index in range(scenario.topic.partitions):
                history.logs[index] = self._read_log(index)
            history.faults = simulator.summary().faults

    def _read_log(self, index: int) -> list[Record]:
        """What a partition holds; a batch that nobody can read is noted, and no end of the run."""
        partition = self._simulator.cluster.partition(self._scenario.topic.name, index)
        assert partition is not None
        records: list[Record] = []
        for batch in partition.log.batches:
            try:
                records += decode_batch(batch.data)[1]
            except WireError as error:
                unreadable = Unreadable(index, batch.base_offset, batch.records, str(error))
                self._history.unreadable.append(unreadable)
        return records

    async def _let_client_work(self, world: World) -> None:
        """Run a client through all of it; what leaves its context is its own mistake."""
        history = self._history
        call = self._begin("connect")
        try:
            async with self._open_client(
                self._simulator.address, self._scenario, world, self
            ) as self._client:
                self._end_client = self._client.end
                self._end(call, "ok")
                self._adapt()
                try:
                    await self._work(world)
                except Exception as error:
                    history.defect = _one_line(error)
        except Refused as refusal:
            self._end(call, refusal.outcome, str(refusal))
        except (Silent, Broken) as failure:
            self._lost_client(failure)
        except Exception as error:
            history.crash = _one_line(error)

    def _adapt(self) -> None:
        """Hold the client to what it can do."""
        self._scenario, self._history.not_applicable = adapted(
            self._scenario, self._client.not_applicable
        )
        if self._history.not_applicable:
            self._history.requested = self._history.scenario
        self._history.scenario = self._scenario

    async def _work(self, world: World) -> None:
        self._simulator.begin_faults()
        there = await self._while_there(self._perform_all)
        await self._simulator.heal()
        self._history.healed_at = self._simulator.elapsed()
        if there:
            await self._while_there(partial(self._finish, world))

    async def _while_there(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do something with the client; whether it was there to the end of it."""
        try:
            await work()
        except (Silent, Broken) as failure:
            self._lost_client(failure)
            return False
        return True

    def _lost_client(self, failure: Silent | Broken) -> None:
        """Write down that nothing can be asked of the client any more."""
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
        """See that the client works with a cluster that is whole, and close it."""
        await self.wait()
        await trio.sleep(world.settle_s)
        await self._probe()
        await self._call("close", self._client.close, self._settle_s())

    # --- what steps do: a ``chaos.spec.step.Harness``

    async def send(self, count: int, size: int, keys: int, *, wait: bool, pace: float) -> None:
        """Send records one by one."""
        call = self._begin("send")
        records = (self._new_record(call, size, _key(n, keys)) for n in range(count))
        await self._send_each(records, wait=wait, pace=pace)
        self._end(call, "ok")

    async def _send_each(
        self, records: Iterable[SentRecord], *, wait: bool = False, pace: float = 0.0
    ) -> None:
        """Send records one by one, giving each the time that it may take."""
        client, bound = self._client, send_bound(self._scenario.producer) + GRACE_S
        remaining = iter(records)
        while True:
            # One scope for as long as nobody waits: entering one costs more than a send.
            with trio.move_on_after(bound) as scope:
                for record in remaining:
                    self._open[record.id] = record
                    try:
                        await client.send(record)
                        record.taken_at = now = self.now()
                    except Refused as refusal:
                        record.queue_full = refusal.queue_full
                        self.failed(record, refusal.outcome, str(refusal))
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

    async def send_all(self, count: int, size: int, keys: int) -> None:
        """Send records with one call."""
        call = self._begin("send_all")
        records = [self._new_record(call, size, _key(n, keys)) for n in range(count)]
        self._open.update((record.id, record) for record in records)
        bound = send_bound(self._scenario.producer) * len(records)
        with trio.move_on_after(bound + GRACE_S):
            try:
                await self._client.send_all(records)
                for record in records:
                    record.taken_at = self.now()
                self._end(call, "ok")
            except Refused as refusal:
                # Which of them were taken in, the client does not say.
                for record in records:
                    if record.id in self._open:
                        record.queue_full = True
                        self.failed(record, "unknown", str(refusal))
                self._end(call, refusal.outcome, str(refusal))
        if call.ended is None:
            self._give_up(call)

    async def flush(self) -> None:
        """Flush the producer."""
        before = list(self._open)
        call = await self._call("flush", self._client.flush, self._settle_s())
        call.open_after = [n for n in before if n in self._open]

    async def wait(self) -> None:
        """Wait until every record sent before is settled."""
        await self._call("wait", self._client.wait, self._settle_s())

    async def sleep(self, seconds: float) -> None:
        """Do nothing for a while."""
        await trio.sleep(seconds)

    def move_leader(self, partition: int, to: int) -> None:
        """Make an SPU the leader of a partition."""
        self._simulator.move_leader(self._scenario.topic.name, partition, to)

    async def stop_spu(self, spu: int) -> None:
        """Close the listener of an SPU and reset its connections."""
        await self._simulator.stop_spu(spu)

    async def start_spu(self, spu: int) -> None:
        """Have an SPU listen again."""
        await self._simulator.start_spu(spu)

    # --- the end of a run

    async def _probe(self) -> None:
        """One record for each partition, which must be acknowledged."""
        partitions = self._scenario.topic.partitions
        call = self._begin("probe")
        probes = [
            self._new_record(call, ID_BYTES, key, probe=True)
            for key in _keys_for_each_of(partitions)
        ]
        await self._send_each(probes)
        with trio.move_on_after(self._settle_s() + GRACE_S):
            await self._client.wait()
        outcome: Outcome = "ok" if all(record.outcome == "ok" for record in probes) else "unknown"
        self._end(call, outcome, next((r.error for r in probes if r.error), None))

    # --- calls and records

    async def _call(self, op: Op, method: Callable[[], Awaitable[None]], bound: float) -> Call:
        """Call the client, for as long as it may take and a little longer."""
        call = self._begin(op)
        with trio.move_on_after(bound + GRACE_S):
            try:
                await method()
                self._end(call, "ok")
            except Refused as refusal:
                self._end(call, refusal.outcome, str(refusal))
        if call.ended is None:
            self._give_up(call)
        return call

    def _settle_s(self) -> float:
        """How long it may take at most until everything that is open is settled."""
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
        """Write down that a call did not end."""
        call.given_up, call.error = self.now(), why
        self._history.events.append(
            CallEnded(t=call.given_up, call=call.n, outcome="unknown", error=why, given_up=True)
        )

    def _new_record(
        self, call: Call, size: int, key: bytes | None, *, probe: bool = False
    ) -> SentRecord:
        records = self._history.records
        now = self.now()
        value = (b"%08x" % len(records)).ljust(size, b".")
        record = SentRecord(len(records), key, value, call.n, now, probe=probe)
        records.append(record)
        self._history.events.append(RecordSent(t=now, record=record.id, probe=probe))
        return record

    def now(self) -> float:
        """The time of the run."""
        return self._simulator.elapsed()

    # --- what the client is told

    def stored(self, record: SentRecord, partition: int | None, offset: int | None) -> None:
        """The client was told that a record is stored."""
        record.partition, record.offset = partition, offset
        self._settled(record, "ok")

    def failed(self, record: SentRecord, outcome: Outcome, error: str) -> None:
        """The client was told that a record was given up."""
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


def _key(n: int, keys: int) -> bytes | None:
    return b"key-%d" % (n % keys) if keys else None


@lru_cache
def _keys_for_each_of(partitions: int) -> Sequence[bytes]:
    """A key for each partition, by the hash that all Fluvio clients use."""
    found: dict[int, bytes] = {}
    for n in count():
        key = b"probe-%d" % n
        found.setdefault(partition_of_key(key, partitions), key)
        if len(found) == partitions:
            return [found[index] for index in range(partitions)]
    raise AssertionError("unreachable")


def _one_line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
