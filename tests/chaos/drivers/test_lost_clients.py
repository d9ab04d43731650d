"""Clients that die during a run: their history, and the verdict on them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from chaos.drivers import Broken, DriverSession, Recorder, Silent
from chaos.history import CallEnded, History, SentRecord
from chaos.oracle.judge import Result, judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario
from chaos.world.world import World


class TakesEverything(DriverSession):
    """Accepts records and sends none; the test decides how its flush ends."""

    def __init__(self, failure: Exception | None, after_s: float = 5.0) -> None:
        self._failure = failure
        self._after_s = after_s
        self.asked: list[str] = []

    async def send(self, record: SentRecord) -> None:
        self.asked.append("send")

    async def send_all(self, records: Sequence[SentRecord]) -> None:
        self.asked.append("send_all")

    async def flush(self) -> None:
        self.asked.append("flush")
        await trio.sleep(self._after_s)
        if self._failure is not None:
            raise self._failure

    async def wait(self) -> None:
        self.asked.append("wait")

    async def wait_for(self, record: SentRecord) -> None:
        self.asked.append("wait_for")

    async def close(self) -> None:
        self.asked.append("close")

    @asynccontextmanager
    async def another(self, number: int) -> AsyncIterator[DriverSession]:
        yield self


def ran(client: DriverSession, semantic: str = "at-least-once") -> tuple[History, Result]:
    @asynccontextmanager
    async def opened(
        address: str, scenario: Scenario, world: World, recorder: Recorder
    ) -> AsyncIterator[DriverSession]:
        yield client

    scenario = Scenario.model_validate(
        {
            "name": "x",
            "producer": {"delivery_semantic": semantic, "retry": {"timeout": "30s"}},
            "workload": [{"send": {"count": 2}}, "flush", "send"],
        }
    )
    history = run_scenario(scenario, open_session=opened)
    return history, judge(history)


def broken(result: Result) -> set[str]:
    return {finding.check for finding in result.broken}


def test_a_silent_client_gets_no_further_call() -> None:
    client = TakesEverything(Silent("flush: no answer within 5 s"))
    history, _ = ran(client)
    assert client.asked == ["send", "send", "flush"]
    assert history.healed_at is not None
    assert history.drained


def test_the_unanswered_call_is_given_up_together_with_the_client() -> None:
    history, _ = ran(TakesEverything(Silent("flush: no answer within 5 s")))
    call = history.calls[-1]
    assert (call.op, call.ended, call.outcome) == ("flush", None, "unknown")
    assert call.given_up == call.started + 5
    last = [event for event in history.events if isinstance(event, CallEnded)][-1]
    assert (last.call, last.outcome, last.given_up) == (call.n, "unknown", True)
    assert last.error == "flush: no answer within 5 s"


def test_a_silent_client_is_not_accused_of_records_that_it_might_still_have_sent() -> None:
    _, result = ran(TakesEverything(Silent("flush: no answer within 5 s")))
    assert (result.verdict, broken(result)) == ("inconclusive", set())
    assert result.reasons == ("the client was ended: flush: no answer within 5 s",)
    assert (result.figures["unknown"], result.figures["lost"]) == (2, 2)


def test_a_client_that_reports_success_without_sending_is_accused() -> None:
    _, result = ran(TakesEverything(None))
    assert result.verdict == "invalid"
    assert broken(result) == {"no-loss", "flush-settles", "alive-after-heal"}


def test_a_client_that_is_silent_for_longer_than_its_bound_is_accused_of_that() -> None:
    _, result = ran(TakesEverything(Silent("flush: no answer within 40 s"), after_s=32.5))
    assert broken(result) == {"bounded"}


def test_a_silent_at_most_once_client_has_not_lost_its_unsent_records() -> None:
    _, result = ran(TakesEverything(Silent("flush: no answer within 5 s")), "at-most-once")
    assert (result.verdict, broken(result)) == ("inconclusive", set())


def test_a_broken_client_is_invalid_and_its_error_is_quoted() -> None:
    history, result = ran(TakesEverything(Broken("the program ended with status 3")))
    assert history.crash == "the program ended with status 3"
    assert broken(result) == {"speaks"}
