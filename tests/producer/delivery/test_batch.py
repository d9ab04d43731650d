"""Batches and their callbacks, plain and synchronous."""

from functools import partial

from producer import Persisted
from producer.delivery.batch import Accepted, Batch, Failure


def batch() -> Batch:
    return Batch("greetings", 0, 1, created=0.0, first_ms=0)


def test_every_callback_is_called_once_in_order_when_the_outcome_is_known() -> None:
    settled, called = batch(), []

    def callback(name: str) -> None:
        called.append((name, settled.outcome))

    for name in "ab":
        settled.add_done_callback(partial(callback, name))
    assert called == []
    settled.settle(Accepted(7))
    assert called == [("a", Accepted(7)), ("b", Accepted(7))]


def test_a_removed_callback_is_not_called_and_removing_it_again_is_no_error() -> None:
    settled, called = batch(), []

    def left() -> None:
        called.append("left")

    def stayed() -> None:
        called.append("stayed")

    settled.add_done_callback(left)
    settled.add_done_callback(stayed)
    settled.remove_done_callback(left)
    settled.settle(Failure(Persisted.NO, 1, 0.5, None))
    settled.remove_done_callback(left)
    assert called == ["stayed"]


def test_a_callback_may_remove_itself_while_it_is_called() -> None:
    settled, called = batch(), []

    def callback() -> None:
        settled.remove_done_callback(callback)
        called.append(1)

    settled.add_done_callback(callback)
    settled.settle(Accepted(0))
    assert called == [1]


def test_a_settled_batch_holds_no_bytes() -> None:
    settled = batch()
    settled.data = b"records"
    settled.settle(Accepted(0))
    assert settled.data == b""
