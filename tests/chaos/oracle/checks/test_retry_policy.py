"""``retry-policy``: how many attempts, how far apart, and for how long.

Each run keeps to its own policy. Measured by another one it breaks it, in one way.
"""

from typing import Any

import pytest

from chaos.oracle.checks import retry_policy
from simulator.events import FaultHit
from tests.chaos.oracle.checks.playing import RETRY, measured_by, played, said

LOST_ANSWERS = {"drop": {"at": "response", "nth": [1, 2]}}
LOST_ANSWER = {"drop": {"at": "response", "nth": 1}}
SILENCE = {"drop": {"at": "response", "every": 1}}
REFUSED = {"error": {"at": "request", "code": "StorageError", "nth": 1}}
RESET = {"disconnect": {"at": "response", "how": "rst", "nth": 1}}


@pytest.mark.parametrize("fault", [LOST_ANSWERS, SILENCE, REFUSED, RESET])
@pytest.mark.parametrize("strategy", ["fixed-delay", "fibonacci-backoff", "exponential-backoff"])
def test_a_run_keeps_to_its_own_policy(fault: Any, strategy: str) -> None:
    policy = {**RETRY, "initial_delay": "10ms", "strategy": strategy}
    assert said(retry_policy, played(fault, producer={"retry": policy})) == []


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"max_retries": 1}, "transmitted 3 times, the policy allows 2; one too many at 2.201 s"),
        ({"initial_delay": 0.2}, "tried again too soon: 100.400 ms at most between the attempt"),
        ({"initial_delay": 0.09}, "tried again too late: "),
        ({"timeout": 2.0}, "transmitted at 2.201 s on connection 4, 2.200 s after the first time"),
        ({"timeout": 2.2}, "settled at 2.201 s, 2.200 s after the first attempt began; the policy"),
        (
            {"strategy": "fibonacci-backoff", "initial_delay": 0.05, "max_delay": 9.0},
            "tried again too late: ",
        ),
    ],
)
def test_another_policy_is_broken(other: dict[str, Any], sentence: str) -> None:
    history = played(LOST_ANSWERS)
    assert said(retry_policy, history) == []
    assert any(sentence in text for text in said(retry_policy, measured_by(history, retry=other)))


def test_an_attempt_after_a_final_code_is_reported() -> None:
    history = played(REFUSED)
    for event in history.events:
        if isinstance(event, FaultHit):
            event.code = "PartitionFull"
    (text,) = said(retry_policy, history)
    assert "after the final answer PartitionFull at 0.001 s" in text


def test_an_attempt_that_ends_later_than_its_time_is_reported() -> None:
    history = measured_by(played(LOST_ANSWER), attempt_timeout=0.5)
    assert any("tried again too late" in text for text in said(retry_policy, history))


def test_an_attempt_that_outlasts_its_timeout_is_reported_even_if_an_answer_comes() -> None:
    late = {"delay": {"at": "response", "by": "800ms", "nth": 1}}
    history = played(late)
    assert said(retry_policy, history) == []
    assert said(retry_policy, measured_by(history, attempt_timeout=0.5)) == [
        "records 0, 1 and 2 were not tried again at 0.601 s, when the time of the attempt at "
        "0.001 s and the delay behind it were over, but settled at 0.801 s"
    ]


def test_a_record_that_is_stored_was_given_up_too_soon_as_well() -> None:
    history = measured_by(played(SILENCE), retry={"max_retries": 3})
    (text,) = said(retry_policy, history)
    assert text.startswith("records 0, 1 and 2 were given up at 3.201 s after 3 attempts of 4")


def test_a_gap_is_uncertain_if_an_attempt_that_was_read_later_may_lie_in_it() -> None:
    history = played(
        {"drop": {"at": "request", "nth": 1, "match": {"partition": 0}}},
        {"duplicate": {"at": "request", "nth": 3}},
        {"duplicate": {"at": "request", "nth": 1, "match": {"partition": 0}}},
        seed=81677256,
        cluster={"commit_delay": "5100us"},
        topic={"partitions": 4},
        network={"bandwidth": "16MiB"},
        producer={
            "retry": {"initial_delay": "4600us", "strategy": "fibonacci-backoff"},
            "attempt_timeout": "5700us",
            "linger": "1ms",
            "isolation": "read-committed",
        },
        workload=[
            {"send_all": {"keys": 1, "key": "empty"}},
            "wait",
            {"add_partitions": {"count": 2}},
            {
                "concurrently": [
                    [{"send": {"pace": "0ms"}}],
                    [{"sleep": "120us"}, {"send_all": {"count": 6}}, "close"],
                ]
            },
        ],
    )
    assert said(retry_policy, history) == []
