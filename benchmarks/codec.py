"""The codec alone: one produce response in each direction, and the producer's cost of a record."""

from functools import partial
from timeit import timeit
from typing import Any

from benchmarks.load import batch_of, full_batch
from wire.api import PRODUCE
from wire.api.produce import PartitionResult, ProduceResponse, TopicResult
from wire.codec import decode, encode

RESPONSES = 50_000
"""The number of responses that a round decodes and encodes, in a twentieth of a second each."""

BATCHES = 1_000
"""The number of batches that a round encodes, in about the same time."""


def decode_and_encode_us() -> tuple[float, float]:
    """Return the times to decode and to encode one produce response, in microseconds."""
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
    """Return the time to encode a record and its share of sealing a full batch, in microseconds."""
    _, count = full_batch()
    return timeit(partial(batch_of, count), number=BATCHES) / (BATCHES * count) * 1e6
