"""A simulator in a thread, for callers that block or run another event loop."""

import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar, Unpack

import trio

from simulator.config import configure
from simulator.control.state import ConnectionState, PartitionState
from simulator.control.waiting import TIMEOUT_S
from simulator.events import Event
from simulator.faults.model import Fault
from simulator.options import FaultOptions, Options, SimulatorError
from simulator.reporting.summary import Summary
from simulator.serving.server import Simulator, open_simulator
from wire.batch import Record

T = TypeVar("T")


class RunningSimulator:
    """A simulator that runs in a thread of its own; see ``Simulator`` for what the parts mean.

    Every method may be called from any thread but the simulator's, also in a task of asyncio or
    trio, whose event loop waits for the answer then. When the block has ended, what only looks
    still answers; what changes the simulator or waits raises ``SimulatorError``, also if it began
    before.
    """

    def __init__(self, simulator: Simulator, token: trio.lowlevel.TrioToken) -> None:
        self._simulator = simulator
        self._token = token
        self._thread = threading.current_thread()
        self.address = simulator.address
        self.spu_addresses = simulator.spu_addresses
        self.seed = simulator.seed

    @property
    def events(self) -> list[Event]:
        """Everything that happened so far, in one order."""
        return self._call(lambda: list(self._simulator.events))

    def log(self, topic: str, partition: int) -> list[Record]:
        """What one partition holds, in order of offsets."""
        return self._call(lambda: self._simulator.log(topic, partition))

    def summary(self) -> Summary:
        """What it did so far."""
        return self._call(self._simulator.summary)

    def partitions(self) -> list[PartitionState]:
        """What each partition holds at the moment."""
        return self._call(self._simulator.partitions)

    def connections(self) -> list[ConnectionState]:
        """The open connections."""
        return self._call(self._simulator.connections)

    def wait_until(
        self, *, stored: int, topic: str | None = None, timeout: float = TIMEOUT_S
    ) -> None:
        """Wait until the partitions hold a number of records; see ``Simulator.wait_until``."""
        self._wait(lambda: self._simulator.wait_until(stored=stored, topic=topic, timeout=timeout))

    # --- faults

    def list_faults(self) -> list[Fault]:
        """The faults in the order in which they are evaluated, each with its name."""
        return self._call(self._simulator.list_faults)

    def add_faults(
        self, *faults: Fault | Mapping[str, Any], **options: Unpack[FaultOptions]
    ) -> list[str]:
        """Add faults, and return their names; see ``Simulator.add_faults``."""

        async def add() -> list[str]:
            return self._simulator.add_faults(*faults, **options)

        return self._wait(add)

    def change_fault(self, name: str, fault: Fault | Mapping[str, Any]) -> None:
        """Put a fault in the place of another one, under its name."""
        self._do(lambda: self._simulator.change_fault(name, fault))

    def remove_fault(self, name: str) -> None:
        """Remove a fault; what it has struck stays struck."""
        self._do(lambda: self._simulator.remove_fault(name))

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._do(self._simulator.clear_faults)

    @contextmanager
    def faults(
        self, *faults: Fault | Mapping[str, Any], **options: Unpack[FaultOptions]
    ) -> Iterator[list[str]]:
        """Add faults for the duration of the block, and give their names.

        >>> import simulator
        >>> with simulator.running() as sim:
        ...     with sim.faults(drop=0.1) as names:
        ...         print(names, len(sim.list_faults()))
        ...     print(len(sim.list_faults()))
        ['drop-1'] 1
        0
        """
        guard = self._simulator.faults(*faults, **options)

        async def enter() -> list[str]:
            return guard.__enter__()

        names = self._wait(enter)
        try:
            yield names
        finally:
            self._do(lambda: guard.__exit__(None, None, None))

    def heal(self) -> None:
        """Remove all faults, start all SPUs and open all listeners; see ``Simulator.heal``."""
        self._wait(self._simulator.heal)

    def reset(self) -> None:
        """Return to the state of the start: topics, logs, faults, counters and connections."""
        self._wait(self._simulator.reset)

    # --- the cluster

    def move_leader(self, topic: str, partition: int, to: int) -> None:
        """Make SPU ``to`` the leader of a partition; the log goes along."""
        self._do(lambda: self._simulator.move_leader(topic, partition, to))

    def stop_spu(self, spu: int) -> None:
        """Make an SPU unreachable; its logs are kept."""
        self._wait(lambda: self._simulator.stop_spu(spu))

    def start_spu(self, spu: int) -> None:
        """Have an SPU listen again, on its old port."""
        self._wait(lambda: self._simulator.start_spu(spu))

    def change_address(self, spu: int) -> None:
        """Have an SPU listen on another port; its connections are reset."""
        self._wait(lambda: self._simulator.change_address(spu))

    def cut(self, server: str) -> None:
        """Reset the connections of ``sc``, of ``spu`` (all SPUs) or of ``spu:N``."""
        self._do(lambda: self._simulator.cut(server))

    def create_topic(self, topic: str, partitions: int = 1) -> None:
        """Create a topic."""
        self._do(lambda: self._simulator.create_topic(topic, partitions))

    def delete_topic(self, topic: str) -> None:
        """Delete a topic with its logs."""
        self._do(lambda: self._simulator.delete_topic(topic))

    def add_partitions(self, topic: str, count: int = 1) -> None:
        """Add partitions to a topic."""
        self._do(lambda: self._simulator.add_partitions(topic, count))

    def _do(self, function: Callable[[], object]) -> None:
        """Call a function that changes the simulator, where the simulator runs."""

        async def do() -> None:
            function()

        self._wait(do)

    def _call(self, function: Callable[[], T]) -> T:
        """Call a function where the simulator runs, or here once it has ended."""
        answer: Future[T] = Future()

        def call() -> None:
            try:
                answer.set_result(function())
            except BaseException as error:  # it is raised again, in the caller's thread
                answer.set_exception(error)

        try:
            self._ask(call)
        except trio.RunFinishedError:
            return function()
        return answer.result()

    def _wait(self, function: Callable[[], Awaitable[T]]) -> T:
        """Run a function where the simulator runs, and wait for its end."""
        answer: Future[T] = Future()
        ended = SimulatorError("the simulator has ended; it can be neither changed nor waited for")

        async def run() -> None:
            try:
                answer.set_result(await function())
            except trio.Cancelled:
                answer.set_exception(ended)
                raise
            except BaseException as error:  # it is raised again, in the caller's thread
                answer.set_exception(error)

        def begin() -> None:
            try:
                trio.lowlevel.spawn_system_task(run)
            except RuntimeError:  # the simulator is ending
                answer.set_exception(ended)

        try:
            self._ask(begin)
        except trio.RunFinishedError:
            raise ended from None
        return answer.result()

    def _ask(self, call: Callable[[], None]) -> None:
        """Have a function called where the simulator runs.

        ``trio.from_thread`` would refuse a caller whose thread runs a trio of its own.
        """
        if threading.current_thread() is self._thread:
            raise RuntimeError("this method blocks: call it from another thread than the simulator")
        self._token.run_sync_soon(call)


@contextmanager
def running(**options: Unpack[Options]) -> Iterator[RunningSimulator]:
    """Run a simulator in a thread for as long as the block lasts.

    >>> import simulator
    >>> with simulator.running(drop=0.1, seed=7) as sim:
    ...     sim.log("greetings", 0)
    []

    Args:
        options: see ``Options``.

    Raises:
        SimulatorError: an option is not possible, or a port is not free.
    """
    config = configure(**options)
    ready = threading.Event()
    outcome: dict[str, Any] = {}

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with open_simulator(config) as simulator:
                token = trio.lowlevel.current_trio_token()
                outcome["simulator"] = RunningSimulator(simulator, token)
                outcome["stop"] = lambda: token.run_sync_soon(scope.cancel)
                ready.set()
                await trio.sleep_forever()

    def run() -> None:
        try:
            trio.run(main)
        except BaseException as error:  # it is raised again, in the caller's thread
            outcome["error"] = error
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="simulator", daemon=True)
    thread.start()
    ready.wait()
    try:
        if "simulator" in outcome:
            yield outcome["simulator"]
    finally:
        if "stop" in outcome:
            outcome["stop"]()
        thread.join()
        if "error" in outcome:
            raise outcome["error"]
