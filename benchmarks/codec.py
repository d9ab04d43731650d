"""The codec alone: one produce response each way, and what a producer spends on a record."""

from functools import partial
from timeit import timeit
from typing import Any

from benchmarks.load import batch_of, full_batch
from wire.api import PRODUCE
from wire.api.produce import PartitionResult, ProduceResponse, TopicResult
from wire.codec import decode, encode

RESPONSES = 50_000
"""How often a round decodes one, and encodes one: a twentieth of a second each."""

BATCHES = 1_000
"""How many batches a round makes, in about as much time."""


def decode_and_encode_us() -> tuple[float, float]:
    """What it takes to decode and to encode one produce response, in microseconds."""
    result = PartitionResult(partition_index=0, base_offset=123_456)
    response = ProduceResponse(topics=[TopicResult(name="greetings", partitions=[result])])
    version = PRODUCE.max_version
    data = encode(response, version)
    decoding: partial[Any] = partial(decode, ProduceResponse, data, version)
    encoding: partial[Any] = partial(encode, response, version)
    return timeit(decoding, number=RESPONSES) / RESPONSES * 1e6, (
        timeit(encoding, number=RESPONSES) / RESPONSES * 1e6
    )


def record_us() -> float:
    """What it takes to encode a record and seal its share of a full batch, in microseconds."""
    _, count = full_batch()
    return timeit(partial(batch_of, count), number=BATCHES) / (BATCHES * count) * 1e6
