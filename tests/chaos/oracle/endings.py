"""Runs whose client is ended by the harness."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from chaos.drivers import DriverSession, Recorder, Silent
from chaos.drivers.kinds.producer import ProducerSession, open_producer
from chaos.history import History
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario
from chaos.world.world import World
from tests.chaos.oracle.checks.playing import scenario_of


def ended(*faults: Any, workload: Any, **more: Any) -> History:
    """Return a run whose client is ended, because it does not answer within 50 ms."""

    def limited(
        session: ProducerSession, call: Callable[..., Awaitable[None]]
    ) -> Callable[..., Awaitable[None]]:
        async def within(*arguments: Any) -> None:
            with trio.move_on_after(0.05):
                await call(*arguments)
                return
            session._open.clear()  # what it learns while it is torn down is not told
            raise Silent("no answer within 50 ms")

        return within

    @asynccontextmanager
    async def opened(
        address: str, scenario: Scenario, world: World, recorder: Recorder
    ) -> AsyncIterator[DriverSession]:
        async with open_producer(address, scenario, world, recorder) as session:
            assert isinstance(session, ProducerSession)
            for name in ("send", "wait"):
                setattr(session, name, limited(session, getattr(session, name)))
            yield session

    history = run_scenario(scenario_of(*faults, workload=workload, **more), open_session=opened)
    assert history.silent == "no answer within 50 ms"
    return history
