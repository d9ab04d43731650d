"""Unsupported options are replaced by the client's, and reported if the scenario set them."""

from typing import Any

import pytest

from chaos.drivers import Broken
from chaos.drivers.adapted import adapted
from chaos.spec.scenario import RetryOptions, Scenario


def scenario(**data: Any) -> Scenario:
    return Scenario.model_validate({"name": "x", "workload": ["send"], **data})


def test_a_client_that_can_do_everything_changes_nothing() -> None:
    said = scenario(producer={"linger": "5ms"})
    assert adapted(said, {}) == (said, [])


def test_an_option_is_replaced_and_the_others_stay() -> None:
    said = scenario(producer={"linger": "5ms", "retry": {"max_retries": 9}})
    found, sentences = adapted(said, {"retry": {}})
    assert found.producer.retry == RetryOptions()
    assert found.producer.linger == 0.005
    assert sentences == [
        "producer.retry: the client has exponential-backoff with 4 retries, 0.02 s to 200 s, "
        "300 s in all, not exponential-backoff with 9 retries, 0.02 s to 200 s, 300 s in all"
    ]


def test_a_default_is_replaced_without_a_message() -> None:
    found, sentences = adapted(scenario(), {"attempt_timeout": "1s"})
    assert found.producer.attempt_timeout == 1.0
    assert sentences == []


def test_a_value_that_the_client_has_anyway_is_not_reported() -> None:
    assert adapted(scenario(producer={"linger": "1s"}), {"linger": "1s"})[1] == []


@pytest.mark.parametrize(
    ("workload", "named"),
    [
        (["send"], {"records without a key"}),
        ([{"send": {"keys": 2}}], set()),
        ([{"send_all": {"keys": 2}}], {"send_all"}),
    ],
)
def test_other_limits_are_reported_if_the_scenario_needs_them(
    workload: list[Any], named: set[str]
) -> None:
    instead = {"send_all": "one by one", "records without a key": "an empty key"}
    _, sentences = adapted(scenario(workload=workload), instead)
    assert {sentence.partition(":")[0] for sentence in sentences} == named


def test_an_invalid_option_value_is_a_failure_of_the_client() -> None:
    with pytest.raises(Broken, match=r"^the client says it has linger: .*ages"):
        adapted(scenario(), {"linger": "ages"})
