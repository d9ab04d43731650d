"""The options of a producer, under Fluvio's names. Durations are seconds, sizes bytes."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from producer.delivery.partitioner import Partitioner
from producer.delivery.semantics import DeliverySemantic
from producer.errors import ConfigError
from wire.api.produce import READ_COMMITTED, READ_UNCOMMITTED
from wire.compression import Codec

if TYPE_CHECKING:
    from producer.output import DeliveryReport

BATCH_SIZE = 16_384
MAX_REQUEST_SIZE = 1_048_576
BATCH_QUEUE_SIZE = 100
TIMEOUT_S = 1.5
"""The official client's defaults (``crates/fluvio/src/producer/config.rs``)."""

RESPONSE_TIMEOUT_S = 10.0
"""How long at-most-once waits for an answer: as long as one attempt may take."""

MAX_REQUEST_SIZE_MIN = 1024
"""Less does not hold the header of a request with the longest topic and a record of any use."""

TIMEOUT_MAX_S = 2_147_483.0
"""The time on the wire is a number of milliseconds below 2 ** 31."""


class Isolation(Enum):
    """When an SPU answers; the values stand on the wire."""

    READ_UNCOMMITTED = READ_UNCOMMITTED
    """Once the leader has appended the records."""
    READ_COMMITTED = READ_COMMITTED
    """Once they are replicated, or when ``timeout`` is over."""


@dataclass(frozen=True, slots=True)
class TopicProducerConfig:
    """How a producer batches, sends and retries.

    Raises:
        ConfigError: an option is not possible.
    """

    batch_size: int = BATCH_SIZE
    """The most bytes in a batch, before compression; a larger record goes alone in one."""
    max_request_size: int = MAX_REQUEST_SIZE
    """The most bytes in a whole request, before compression; a larger record is refused."""
    batch_queue_size: int = BATCH_QUEUE_SIZE
    """How many batches of one partition wait to be sent; beyond it ``send`` waits for room."""
    linger: float = 0.0
    """How long a batch that is not full waits for more records, in seconds."""
    partitioner: Partitioner | None = None
    """Chooses the partition of each record; None for Fluvio's own way."""
    compression: Codec | None = None
    """How batches are compressed; None for what the topic asks for."""
    timeout: float = TIMEOUT_S
    """How long an SPU waits for the commit of one entry under ReadCommitted, in seconds; the
    producer sends less where an attempt would not have that time."""
    isolation: Isolation = Isolation.READ_UNCOMMITTED
    """When an SPU answers."""
    delivery_semantic: DeliverySemantic = field(default_factory=DeliverySemantic.at_least_once)
    """What is promised."""
    callback: "Callable[[DeliveryReport], None] | None" = None
    """Called once for each batch, when it is delivered or given up. It must not block; an exception
    of it is logged."""
    attempt_timeout: float | None = None
    """How long one attempt of at-least-once may take, in seconds; None derives it from the policy
    (``RetryPolicy.attempt_timeout``)."""
    response_timeout: float = RESPONSE_TIMEOUT_S
    """At-most-once: how long after its linger a batch may take to be settled, in seconds."""

    def __post_init__(self) -> None:
        for name, least in (
            ("batch_size", 1),
            ("batch_queue_size", 1),
            ("max_request_size", MAX_REQUEST_SIZE_MIN),
        ):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        for name, positive in (
            ("linger", False),
            ("timeout", False),
            ("attempt_timeout", True),
            ("response_timeout", True),
        ):
            seconds = getattr(self, name)
            if seconds is not None and not _possible(seconds, positive=positive):
                what = "more than 0" if positive else "0 or more"
                raise ConfigError(f"{name} is {seconds}; it must be seconds, {what} and finite")
        if self.timeout > TIMEOUT_MAX_S:
            raise ConfigError(f"timeout is {self.timeout}; the wire holds up to {TIMEOUT_MAX_S} s")

    @property
    def attempt_timeout_s(self) -> float:
        """How long one attempt may take: as configured, as derived, or as at-most-once has it."""
        policy = self.delivery_semantic.policy
        if policy is None:
            return self.response_timeout
        return self.attempt_timeout or policy.attempt_timeout


def _possible(seconds: float, *, positive: bool) -> bool:
    return math.isfinite(seconds) and (seconds > 0 if positive else seconds >= 0)
