"""The official client as a client on trial: a hang is an outcome, a reset a broken promise."""

from typing import Any

import pytest

from chaos.drivers.kinds import official
from chaos.drivers.kinds.official import open_official
from chaos.drivers.registry import OFFICIAL_WAIT_S
from chaos.history import History
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.search.counterexample import Stage
from chaos.search.explore import ROUND, explore
from chaos.spec.loader import parse_scenario
from chaos.spec.scenario import Scenario

pytestmark = pytest.mark.official


def ran(**data: Any) -> History:
    """What comes of a run with the official client."""
    scenario = Scenario.model_validate({"name": "x", "worlds": ["tcp"], **data})
    return run_scenario(scenario, "tcp", open_official)


def kept_pid() -> int:
    assert official._kept.process is not None
    return official._kept.process._popen.pid


SEND = {"workload": ["send", "flush"]}


def test_without_faults_it_keeps_its_promise() -> None:
    history = ran(workload=[{"send": {"count": 20, "keys": 3}}, "flush", {"send_all": {"keys": 1}}])
    result = judge(history)
    assert (result.verdict, result.figures["acknowledged"]) == ("valid", 21)
    assert history.not_applicable == []


def test_a_reset_in_flight_loses_the_record_before_the_policy_is_used_up() -> None:
    history = ran(faults=[{"disconnect": {"at": "request", "how": "rst", "nth": 1}}], **SEND)
    result = judge(history)
    assert result.verdict == "invalid"
    assert {finding.check for finding in result.broken} == {"no-loss", "alive-after-heal"}


def test_an_error_code_hides_behind_a_flush_that_says_that_all_is_well() -> None:
    history = ran(faults=[{"error": {"at": "request", "code": "PartitionFull", "nth": 1}}], **SEND)
    assert [finding.check for finding in judge(history).broken] == ["flush-settles"]


def test_a_hang_is_an_outcome_and_a_new_process_takes_over() -> None:
    assert judge(ran(**SEND)).verdict == "valid"
    first = kept_pid()
    greeting = {"match": {"api": "api-versions", "spu": 0}, "at": "response", "limit": 1}
    history = ran(faults=[{"drop": greeting}], step_timeout="1s", **SEND)
    assert kept_pid() == first
    assert history.silent == "flush: no answer within 1 s"
    result = judge(history)
    assert (result.verdict, result.figures["unknown"]) == ("inconclusive", 1)
    assert result.reasons[0] == "the client was ended: flush: no answer within 1 s"
    assert judge(ran(**SEND)).verdict == "valid"
    assert kept_pid() != first


def test_exploring_keeps_one_process() -> None:
    text = "name: x\nworlds: [tcp]\nworkload: [send: {count: 1..3, keys: 1}, flush]"
    first: list[int] = []
    explored = explore(
        parse_scenario(text, "x.yaml"),
        examples=2 * ROUND,
        stage=Stage("tcp", "fluvio"),
        progress=lambda _: first.append(kept_pid()),
    )
    assert (explored.examples, explored.verdict) == (2 * ROUND, "valid")
    assert len(first) == 2
    assert len(set(first)) == 1


def test_a_retry_policy_cannot_be_told_to_it_and_is_named() -> None:
    history = ran(producer={"retry": {"max_retries": 9}}, workload=[{"send": {"keys": 1}}, "flush"])
    (sentence,) = history.not_applicable
    assert sentence.startswith("producer.retry: the client has exponential-backoff with 4 retries")
    assert history.scenario.producer.retry.max_retries == 4
    assert history.scenario.producer.attempt_timeout == OFFICIAL_WAIT_S
