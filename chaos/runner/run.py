"""Runs a scenario: connect, work under faults, heal, drain, probe, read the logs.

Faults strike from the first step of the workload to its end. Then all faults are lifted, and the
client has time to settle its open records. One probe for each partition shows whether the client
works with the healed cluster. The logs are read only after every connection has ended: from then on
an absent record is lost and cannot be late.

A client in a process of its own that does not answer is killed, since no further call is possible.
The records that it sent are judged all the same.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import lru_cache, partial
from itertools import count

import trio

from chaos.drivers import Broken, CallFailed, DriverSession, NotStarted, OpenSession, Silent
from chaos.drivers.adapted import adapted
from chaos.drivers.kinds.producer import open_producer
from chaos.history import History, Need
from chaos.runner.caller import Caller
from chaos.runner.consuming import Consuming, ConsumptionLog
from chaos.runner.dialling import reporting
from chaos.runner.producers import Producers
from chaos.runner.real_cluster import not_possible, open_real
from chaos.runner.run_cluster import RunCluster, open_simulated
from chaos.runner.run_recorder import RunRecorder
from chaos.spec.scenario import Scenario
from chaos.world.gc_pause import gc_paused
from chaos.world.loop.names import LoopName
from chaos.world.world import World, WorldName, run_in
from producer.delivery.partitioner import partition_of_key

LET_GO_S = {"virtual": 3600.0, "tcp": 1.0, "cluster": 1.0}
"""How long a closed client may take to close its connections by itself, in seconds."""

DRAIN_S = {"virtual": 24 * 3600.0, "tcp": 10.0, "cluster": 10.0}
"""How long the connections may take to end after the client was ended, in seconds. The longest
delay of a fault is an hour, which is too long to wait for with real sockets."""

RUN_S = {"virtual": 1e9, "tcp": 300.0, "cluster": 300.0}
"""How long a whole run may take, in seconds."""


def run_scenario(
    scenario: Scenario,
    world: WorldName = "virtual",
    open_session: OpenSession = open_producer,
    loop: LoopName = "trio",
    cluster: str | None = None,
) -> History:
    """Run a scenario once.

    Args:
        scenario: what to run.
        world: where to run it.
        open_session: connects the client under test.
        loop: the event loop of the virtual world. The history does not depend on it. With ``fast``
            no other thread may use trio meanwhile.
        cluster: the address of the SC of the real cluster, in the world of that name.

    Returns:
        The history of the run. An error of the harness is its ``defect``.

    Raises:
        ValueError: the world is a cluster without an address, or another world with one, or a
            cluster that cannot run the scenario.
    """
    if (world == "cluster") is not (cluster is not None):
        raise ValueError("the world cluster, and no other, needs the address of a cluster")
    if cluster is not None and (why := not_possible(scenario)) is not None:
        raise ValueError(f"{scenario.name!r} cannot run in a real cluster: {why}")
    with gc_paused():
        return run_in(world, scenario, _Run(scenario, world, open_session, cluster).main, loop)


class _Run:
    """One run in progress."""

    def __init__(
        self,
        scenario: Scenario,
        world: WorldName,
        open_session: OpenSession,
        address: str | None,
    ) -> None:
        self._scenario = scenario
        self._address = address
        self._history = History(scenario, world)
        self._open_session = open_session
        self._cluster: RunCluster
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
        history = self._history
        async with self._opened(world) as cluster:
            self._cluster = cluster
            self._scenario = history.scenario  # a topic has another name in a real cluster
            self._recorder = RunRecorder(history, cluster.elapsed)
            started_ns = self._zero_ns(world)
            await self._let_client_work(world)
            history.zero_ns = [started_ns, self._zero_ns(world)]
            for patience_s in (LET_GO_S[world.name], DRAIN_S[world.name]):
                with trio.move_on_after(patience_s):
                    await cluster.drained()
                    history.drained = history.healed_at is not None
                    break
                self._end_session()
            history.logs = await cluster.read_logs()
            history.faults = cluster.fault_counts

    def _opened(self, world: World) -> AbstractAsyncContextManager[RunCluster]:
        """Return the context of the cluster of the run."""
        if self._address is None:
            return open_simulated(self._scenario, world, self._history)
        return open_real(self._scenario, self._address, world, self._history)

    def _zero_ns(self, world: World) -> int:
        """Return the time of day at the time 0 of the run, by the clock of now."""
        return world.now_ns() - round(self._recorder.now() * 1e9)

    async def _let_client_work(self, world: World) -> None:
        """Run one client session; an exception that leaves the session's context is the client's
        defect."""
        history, recorder = self._history, self._recorder
        call = recorder.begin("connect")
        try:
            dialling = replace(world, dial=reporting(world.dial, self._cluster))
            async with self._open_session(
                self._cluster.address, self._scenario, dialling, recorder
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
            named = {str(need): str(lacks[need]) for need in Need if need in lacks}
            self._history.lacks = {**self._history.lacks, **named}
        if self._history.not_applicable:
            self._history.requested = self._history.scenario
        self._history.scenario = self._scenario

    async def _work(self, world: World) -> None:
        failure: Exception | None = None
        self._cluster.begin_faults()
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
        consuming = Consuming(self._scenario, self._cluster, world, log, self._session)
        caller = Caller(
            self._scenario,
            self._cluster,
            self._recorder,
            producers,
            producers.first,
            consuming.consume,
        )
        alive = await self._phase(partial(self._perform, caller))
        await self._cluster.heal()
        self._history.healed_at = self._cluster.elapsed()
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
        if (partitions := self._cluster.partitions) is not None:
            await caller.probe(_keys_for_each_of(partitions))
            await consuming.read_all()
        await caller.close(None)


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
