"""The world of a run: its clock, its network, and the order of its tasks.

**virtual**: memory instead of sockets, and a clock that jumps to the next deadline when all tasks
wait. The only source of chance left is the order in which trio resumes tasks that are runnable at
the same time, which trio shuffles on purpose. Two private names of trio make it shuffle with the
scenario's seed: ``_ALLOW_DETERMINISTIC_SCHEDULING`` sorts the runnable tasks before the shuffle,
and ``_r`` is the generator that shuffles. No other module uses them, and a test fails when trio no
longer has them. The same seed then gives the same history, byte for byte. The fast loop
(``chaos/world/loop``) draws from the same generator, and gives that history at less cost.

**tcp**: real sockets on loopback and the real clock. The same faults strike the same exchanges; all
other timing depends on the machine.

**cluster**: real sockets, and a real cluster behind the proxy in place of the simulator.
"""

import random
import time
from collections.abc import Callable, Coroutine, MutableSequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import trio
from trio._core import _run as _trio_run

from chaos.spec.scenario import Scenario
from chaos.world.clock import VirtualClock
from chaos.world.loop.interrupts import interrupts_kept
from chaos.world.loop.names import LoopName, installed, refusal
from chaos.world.loop.running import run
from chaos.world.network import VirtualNetwork, virtual_port
from producer.net.dialling import Dial, dial_tcp
from simulator.serving.transport import Listen, listen_on_tcp

WorldName = Literal["virtual", "tcp", "cluster"]

SETTLE_VIRTUAL_S = 5.0
"""The pause between healing and the probes: longer than the longest pause of a client that lost the
SC (2 s for our producer); in virtual time it costs nothing."""

SETTLE_TCP_S = 0.25
"""The same with real sockets: by then all resets have arrived, and most clients are connected
again."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class World:
    """The environment of a run."""

    name: WorldName
    listen: Listen
    dial: Dial
    port_of: Callable[[trio.abc.Stream], int]
    """Returns the client's port of a connection that ``dial`` made, as the server sees it."""
    now_ns: Callable[[], int]
    """The time of day in nanoseconds."""
    settle_s: float


def run_in(
    name: WorldName,
    scenario: Scenario,
    main: Callable[[World], Coroutine[Any, Any, T]],
    loop: LoopName = "trio",
) -> T:
    """Run an async function in a new world and return its result.

    Args:
        name: the kind of world.
        scenario: gives the seed and the network.
        main: the function to run.
        loop: the event loop of the virtual world; trio also serves where the fast loop does not.
    """
    if name != "virtual":
        world = World(name, listen_on_tcp, dial_tcp, _tcp_port, time.time_ns, SETTLE_TCP_S)
        return trio.run(main, world)
    clock = VirtualClock()
    network = VirtualNetwork(clock, scenario.network.latency, scenario.network.bandwidth)
    world = World(name, network.listen, network.dial, virtual_port, clock.time_ns, SETTLE_VIRTUAL_S)
    order = TaskOrder(scenario.seed)
    if loop == "fast" and refusal() is None:
        with interrupts_kept(), installed():
            return run(main, world, clock=clock, order=order)
    order_tasks_by(order)
    return trio.run(main, world, clock=clock)


def _tcp_port(stream: trio.abc.Stream) -> int:
    assert isinstance(stream, trio.SocketStream)
    port: int = stream.socket.getsockname()[1]
    return port


class TaskOrder(random.Random):
    """Shuffles the runnable tasks."""

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Shuffle with the draws of ``random.Random``, and without a call for each of them."""
        draw = self.getrandbits
        for last in range(len(x) - 1, 0, -1):
            bits = (last + 1).bit_length()
            chosen = draw(bits)
            while chosen > last:
                chosen = draw(bits)
            x[last], x[chosen] = x[chosen], x[last]


def order_tasks_by(order: TaskOrder) -> None:
    """Let trio shuffle runnable tasks by this order from now on, in all of the process."""
    _trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # noqa: SLF001
    _trio_run._r = order  # noqa: SLF001
