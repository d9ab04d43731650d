"""The world of a run: which clock, which network, which order of tasks.

**virtual**: memory instead of sockets and a clock that jumps to the next deadline whenever all
tasks wait. Then nothing is left to chance but the order in which trio wakes the tasks of one
moment, which it shuffles on purpose. Two private names of trio make it shuffle from our seed: the
switch ``_ALLOW_DETERMINISTIC_SCHEDULING`` sorts what is runnable before the shuffle, and ``_r`` is
the generator that shuffles. They are used here and nowhere else, and a test tells when they are
gone. The same seed then gives the same history, byte for byte.

**tcp**: real sockets on loopback and the real clock. The same faults strike the same exchanges, and
everything else is as a machine has it.
"""

import math
import random
import time
from collections.abc import Awaitable, Callable, MutableSequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import trio
from trio._core import _run as _trio_run

from chaos.spec.scenario import Scenario
from chaos.world.clock import VirtualClock
from chaos.world.network import VirtualNetwork
from producer.net.dialling import Dial, dial_tcp
from simulator.serving.transport import Listen, listen_on_tcp

WorldName = Literal["virtual", "tcp"]

EPOCH_NS = 1_700_000_000 * 10**9
"""What the time of day is when the virtual world begins: in 2023, and always the same."""

SETTLE_VIRTUAL_S = 5.0
"""How long a healed cluster is left alone before the probes: longer than the longest pause of a
client that lost the SC (2 s for ours), and it costs nothing."""

SETTLE_TCP_S = 0.25
"""The same with real sockets: resets have long arrived, and most clients are connected again."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class World:
    """What a run happens in."""

    name: WorldName
    listen: Listen
    dial: Dial
    now_ns: Callable[[], int]
    """The time of day."""
    settle_s: float


def run_in(name: WorldName, scenario: Scenario, main: Callable[[World], Awaitable[T]]) -> T:
    """Run an async function in a world of its own.

    Args:
        name: which kind of world.
        scenario: its seed and its network.
        main: what to run.
    """
    if name == "tcp":
        world = World(name, listen_on_tcp, dial_tcp, time.time_ns, SETTLE_TCP_S)
        return trio.run(main, world)
    clock = VirtualClock()
    network = VirtualNetwork(clock, scenario.network.latency, scenario.network.bandwidth)
    world = World(name, network.listen, network.dial, _virtual_ns, SETTLE_VIRTUAL_S)
    _order_tasks_by(scenario.seed)
    return trio.run(main, world, clock=clock)


def _virtual_ns() -> int:
    return EPOCH_NS + math.floor(trio.current_time() * 1e9)


class _Order(random.Random):
    """Shuffles what is runnable."""

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Shuffle, if there is more than one: mostly there is not."""
        if len(x) > 1:
            super().shuffle(x)


def _order_tasks_by(seed: int) -> None:
    _trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # noqa: SLF001
    _trio_run._r = _Order(seed)  # noqa: SLF001
