"""A Ctrl-C on the fast loop."""

import gc
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest
import trio

from chaos.spec.scenario import Scenario
from chaos.world.loop.interrupts import interrupts_kept
from chaos.world.world import World, run_in
from tests.chaos.world.arbitrary_programs import arbitrary
from tests.chaos.world.programs import Log, main_of

SCENARIO = Scenario.model_validate({"name": "x", "workload": ["flush"]})
LONG = 10
"""The seed of a program that makes many calls."""


@pytest.fixture(autouse=True)
def unraised(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What destructors could not raise, which Python would print."""
    found: list[Any] = []
    monkeypatch.setattr(
        sys, "unraisablehook", lambda unraisable: found.append(unraisable.exc_value)
    )
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield found
    signal.signal(signal.SIGINT, before)
    gc.collect()
    assert not found


def is_interrupt(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_interrupt, error.exceptions))
    return isinstance(error, KeyboardInterrupt)


def test_it_is_raised_at_once_in_the_code_of_a_task() -> None:
    reached = []

    async def presses() -> None:
        await trio.sleep(1)
        signal.raise_signal(signal.SIGINT)
        reached.append("went on")

    async def main(_: World) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(presses)
            await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as raised:
        run_in("virtual", SCENARIO, main, "fast")
    assert is_interrupt(raised.value)
    assert reached == []


@pytest.mark.parametrize("joins", [False, True])
def test_it_is_kept_while_the_loop_is_at_work(*, joins: bool) -> None:
    reached = []

    def aborts(_: object) -> trio.lowlevel.Abort:  # the loop calls it, between two tasks
        signal.raise_signal(signal.SIGINT)
        reached.append("went on")
        return trio.lowlevel.Abort.SUCCEEDED

    async def waits() -> None:
        with trio.move_on_after(1):
            await trio.lowlevel.wait_task_rescheduled(aborts)
        await trio.sleep(1)
        reached.append("not reached")

    async def main(_: World) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(waits)
            if not joins:
                await trio.sleep_forever()

    with pytest.raises(BaseExceptionGroup) as raised:
        run_in("virtual", SCENARIO, main, "fast")
    assert is_interrupt(raised.value)
    assert reached == ["went on"]


def test_one_that_nothing_waits_for_is_raised_at_the_end() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        signal.raise_signal(signal.SIGINT)


def calls_until(number: int) -> int:
    """Run tasks, press Ctrl-C after the call with this number; return how many calls were made.

    Only calls of functions in C count: behind these Python itself looks for a signal.
    """
    made = 0

    def count(_: FrameType, event: str, __: object) -> None:
        nonlocal made
        made += event == "c_return"
        if made == number and event == "c_return":
            signal.raise_signal(signal.SIGINT)

    sys.setprofile(count)
    try:
        run_in("virtual", SCENARIO, main_of(arbitrary(LONG), []), "fast")
    finally:
        sys.setprofile(None)
    return made


def logged() -> Log:
    """Run the same tasks undisturbed; return their log."""
    log: Log = []
    run_in("virtual", SCENARIO, main_of(arbitrary(LONG), log), "fast")
    return log


def test_at_any_moment_of_a_run_it_ends_the_run() -> None:
    before = logged()
    calls_until(-1)  # the first run also fills caches
    calls = calls_until(-1)
    assert calls > 500
    for number in range(1, calls, 3):
        with pytest.raises(BaseException) as raised:  # noqa: PT011  alone or in a group
            calls_until(number)
        assert is_interrupt(raised.value), number
    assert logged() == before
