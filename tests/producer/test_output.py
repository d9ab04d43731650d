"""What a caller waits on."""

import pytest
import trio

from producer import DeliveryError, Persisted, RecordMetadata
from producer.delivery.batch import Accepted, Batch, Failure
from producer.output import ProduceOutput, ProduceOutputs

NOW_MS = 1_700_000_000_000


def batch() -> Batch:
    return Batch("greetings", 3, 1, created=0.0, first_ms=NOW_MS)


async def test_everyone_who_waits_for_a_record_learns_of_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    waited, told = batch(), []

    async def wait(index: int) -> None:
        told.append(await ProduceOutput((waited, index, NOW_MS)).wait())

    async with trio.open_nursery() as nursery:
        for index in range(3):
            nursery.start_soon(wait, index)
        await trio.sleep(1)
        assert told == []
        waited.settle(Accepted(10))
    told.sort(key=lambda metadata: metadata.offset)
    assert told == [RecordMetadata(10 + index, 3, NOW_MS) for index in range(3)]


async def test_a_cancelled_wait_leaves_nothing_behind_and_others_wait_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    waited = batch()
    output = ProduceOutput((waited, 0, NOW_MS))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(output.wait)
        with trio.move_on_after(1) as scope:
            await output.wait()
        assert scope.cancelled_caught
        assert len(waited._callbacks) == 1
        waited.settle(Accepted(10))


async def test_waiting_for_a_settled_record_is_a_checkpoint() -> None:
    waited = batch()
    waited.settle(Failure(Persisted.NO, 2, 0.5, None))
    output = ProduceOutput((waited, 0, NOW_MS))
    with trio.CancelScope() as scope:
        scope.cancel()
        await output.wait()
    assert scope.cancelled_caught
    with pytest.raises(DeliveryError, match="2 attempts"):
        await output.wait()


def test_outputs_are_a_sequence_over_the_records_of_several_batches() -> None:
    first, second, outputs = batch(), batch(), ProduceOutputs()
    outputs.add((first, 5, 2, NOW_MS))
    outputs.add((second, 0, 1, NOW_MS + 1))
    assert list(outputs) == [(first, 5, NOW_MS), (first, 6, NOW_MS), (second, 0, NOW_MS + 1)]
    assert outputs[-1] == outputs[2]
    assert outputs[:1] == [outputs[0]]
    with pytest.raises(IndexError, match="3 of 3 outputs"):
        outputs[3]
