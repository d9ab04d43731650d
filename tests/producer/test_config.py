from typing import Any

import pytest

from producer import ConfigError, DeliverySemantic, RetryPolicy, TopicProducerConfig


def test_the_defaults_are_fluvios() -> None:
    config = TopicProducerConfig()
    assert (config.batch_size, config.batch_queue_size, config.linger) == (16_384, 100, 0)
    assert (config.max_request_size, config.timeout) == (1_048_576, 1.5)
    assert config.delivery_semantic == DeliverySemantic.at_least_once(RetryPolicy())


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"batch_queue_size": 0},
        {"max_request_size": 1023},
        {"linger": -1},
        {"timeout": float("inf")},
        {"timeout": 2_147_484},
        {"attempt_timeout": 0},
        {"response_timeout": 0},
    ],
)
def test_an_impossible_option_is_refused_by_its_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        TopicProducerConfig(**wrong)


def test_the_time_of_an_attempt_is_configured_or_derived() -> None:
    assert TopicProducerConfig().attempt_timeout_s == 10
    assert TopicProducerConfig(attempt_timeout=3).attempt_timeout_s == 3
    at_most_once = DeliverySemantic.at_most_once()
    config = TopicProducerConfig(delivery_semantic=at_most_once, response_timeout=4)
    assert config.attempt_timeout_s == 4
