"""Runs a scenario: connect, work under faults, heal, drain, probe, read the logs.

Faults strike from the first step of the workload to its end. Then all faults are lifted, and the
client has time to settle its open records. One probe for each partition shows whether the client
works with the healed cluster. The logs are read only after every connection has ended: from then on
an absent record is lost and cannot be late.

A client in a process of its own that does not answer is killed, since no further call is possible.
The records that it sent are judged all the same.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import count

import trio

from chaos.drivers import Broken, CallFailed, DriverSession, NotStarted, OpenSession, Silent
from chaos.drivers.adapted import adapted
from chaos.drivers.kinds.producer import open_producer
from chaos.history import History, Need, Unreadable
from chaos.runner.caller import Caller
from chaos.runner.consuming import Consuming, ConsumptionLog
from chaos.runner.dialling import reporting
from chaos.runner.evicted import EvictedBatches
from chaos.runner.producers import Producers
from chaos.runner.run_recorder import RunRecorder
from chaos.spec.scenario import Scenario
from chaos.world.gc_pause import gc_paused
from chaos.world.loop.names import LoopName
from chaos.world.world import World, WorldName, run_in
from producer.delivery.partitioner import partition_of_key
from simulator import Config, Simulator, open_simulator
from simulator.cluster.cluster import Partition, Topic
from simulator.cluster.replication import ReplicationTerms
from wire.batch import Record, decode_batch
from wire.codec import WireError

LET_GO_S = {"virtual": 3600.0, "tcp": 1.0}
"""How long a closed client may take to close its connections by itself, in seconds."""

DRAIN_S = {"virtual": 24 * 3600.0, "tcp": 10.0}
"""How long the connections may take to end after the client was ended, in seconds. The longest
delay of a fault is an hour, which is too long to wait for with real sockets."""

RUN_S = {"virtual": 1e9, "tcp": 300.0}
"""How long a whole run may take, in seconds."""


def run_scenario(
    scenario: Scenario,
    world: WorldName = "virtual",
    open_session: OpenSession = open_producer,
    loop: LoopName = "trio",
) -> History:
    """Run a scenario once.

    Args:
        scenario: what to run.
        world: where to run it.
        open_session: connects the client under test.
        loop: the event loop of the virtual world. The history does not depend on it. With ``fast``
            no other thread may use trio meanwhile.

    Returns:
        The history of the run. An error of the harness is its ``defect``.
    """
    with gc_paused():
        return run_in(world, scenario, _Run(scenario, world, open_session).main, loop)


class _Run:
    """One run in progress."""

    def __init__(self, scenario: Scenario, world: WorldName, open_session: OpenSession) -> None:
        self._scenario = scenario
        self._history = History(scenario, world)
        self._open_session = open_session
        self._simulator: Simulator
        self._evicted: EvictedBatches
        self._recorder: RunRecorder
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
            recovery=scenario.cluster.recovery,
            retain_bytes=scenario.cluster.retain,
            replication=_replication(scenario),
        )
        async with open_simulator(
            config, sinks=[history.events.append], listen=world.listen, faults_wait=True
        ) as simulator:
            self._simulator = simulator
            self._evicted = EvictedBatches(simulator.cluster)
            self._recorder = RunRecorder(history, simulator.elapsed)
            started_ns = self._zero_ns(world)
            await self._let_client_work(world)
            history.zero_ns = [started_ns, self._zero_ns(world)]
            for patience_s in (LET_GO_S[world.name], DRAIN_S[world.name]):
                with trio.move_on_after(patience_s):
                    await simulator.drained()
                    history.drained = history.healed_at is not None
                    break
                self._end_session()
            history.logs = self._read_logs()
            history.faults = simulator.fault_counts

    @property
    def _topic(self) -> Topic | None:
        """The topic, if it exists."""
        return self._simulator.cluster.topics.get(self._scenario.topic.name)

    def _read_logs(self) -> dict[int, Sequence[Record]]:
        """Return the records of each partition of the topic."""
        partitions = [] if self._topic is None else self._topic.partitions
        return {partition.index: self._read_log(partition) for partition in partitions}

    def _read_log(self, partition: Partition) -> list[Record]:
        """Return the records that were stored in a partition, evicted ones among them; note a batch
        that does not decode and go on."""
        records: list[Record] = []
        incarnation = len(self._history.removed)
        for batch in self._evicted.and_what_is_left(partition):
            try:
                records += decode_batch(batch.data)[1]
            except WireError as error:
                self._history.unreadable.append(
                    Unreadable(
                        partition.index, batch.base_offset, batch.records, str(error), incarnation
                    )
                )
        return records

    def _zero_ns(self, world: World) -> int:
        """Return the time of day at the time 0 of the run, by the clock of now."""
        return world.now_ns() - round(self._recorder.now() * 1e9)

    async def _let_client_work(self, world: World) -> None:
        """Run one client session; an exception that leaves the session's context is the client's
        defect."""
        history, recorder = self._history, self._recorder
        call = recorder.begin("connect")
        try:
            dialling = replace(world, dial=reporting(world.dial, self._simulator))
            async with self._open_session(
                self._simulator.address, self._scenario, dialling, recorder
            ) as self._session:
                self._end_session = self._session.end
                recorder.end(call)
                self._adapt()
                try:
                    await self._work(world)
                except Exception as error:
                    history.defect = _one_line(error)
        except CallFailed as failure:
            recorder.fail(call, failure)
        except NotStarted as failure:
            recorder.give_up(call, str(failure))
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
        lacks = self._session.not_applicable
        if lacks:
            self._history.lacks = {need: str(lacks[need]) for need in Need if need in lacks}
        if self._history.not_applicable:
            self._history.requested = self._history.scenario
        self._history.scenario = self._scenario

    async def _work(self, world: World) -> None:
        failure: Exception | None = None
        self._simulator.begin_faults()
        async with trio.open_nursery() as nursery:
            producers = Producers(self._session, nursery, self._recorder)
            try:
                await self._work_with(world, producers)
            except Exception as error:  # a nursery would wrap it into a group
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _work_with(self, world: World, producers: Producers) -> None:
        """Perform the workload under faults, heal, and finish."""
        log = ConsumptionLog(self._history, self._recorder.now)
        consuming = Consuming(self._scenario, self._simulator, world, log, self._session)
        caller = Caller(
            self._scenario,
            self._simulator,
            self._recorder,
            producers,
            producers.first,
            self._read_logs,
            consuming.consume,
        )
        alive = await self._phase(partial(self._perform, caller))
        await self._simulator.heal()
        self._history.healed_at = self._simulator.elapsed()
        if alive and producers.can("probe"):
            await self._phase(partial(self._finish, world, caller, consuming))

    async def _perform(self, caller: Caller) -> None:
        async with self._session.working():
            await caller.perform(self._scenario.workload)

    async def _phase(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Run a phase; return False if the client died during it."""
        try:
            await work()
        except NotStarted as failure:
            self._history.not_started = str(failure)
            return False
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
        self._recorder.give_up_all(str(failure))

    async def _finish(self, world: World, caller: Caller, consuming: Consuming) -> None:
        """Check that the client works with the healed cluster, and close it."""
        await caller.wait(None)
        await trio.sleep(world.settle_s)
        if self._topic is not None:
            await caller.probe(_keys_for_each_of(len(self._topic.partitions)))
            await consuming.read_all()
        await caller.close(None)


def _replication(scenario: Scenario) -> ReplicationTerms | None:
    options = scenario.cluster.replication
    if options is None:
        return None
    return ReplicationTerms(options.replicas, options.lag, options.first_fetch)


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
