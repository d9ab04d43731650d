import pytest

from simulator.events import ConnectionOpened, FrameRead
from simulator.reporting import repeats as repeats_module
from simulator.reporting.console import line_of
from simulator.reporting.repeats import Repeats
from tests.simulator.client import batch


def read(
    n: int, *records: bytes, partition: int = 0, connection: int = 2, topic: str = "greetings"
) -> FrameRead:
    return FrameRead(
        n=n, connection=connection, server="spu:0", api="produce", correlation_id=n,
        transmission=n, topic=topic, partition=partition, api_version=25, client_id="x", size=9,
        carried=((topic, partition, b"".join(records)),),
    )  # fmt: skip


def ids(*events: FrameRead) -> list[int | None]:
    """The id of the request that each repeats."""
    repeats = Repeats()
    found = [repeats.look(event) for event in events]
    return [None if earlier is None else earlier.correlation_id for earlier in found]


A, B, C = batch(b"a"), batch(b"b"), batch(b"c")


def test_a_request_repeats_the_latest_one_that_brought_the_same_batch() -> None:
    assert ids(read(1, A), read(2, B), read(3, A), read(4, A)) == [None, None, 1, 3]


def test_a_request_that_is_cut_otherwise_repeats_too() -> None:
    assert ids(read(1, A, B), read(2, B, C), read(3, C)) == [None, 1, 2]


def test_the_same_batch_for_another_partition_is_no_repetition() -> None:
    assert ids(read(1, A), read(2, A, partition=1), read(3, A, topic="t")) == [None] * 3


def test_what_is_no_row_of_batches_repeats_nothing() -> None:
    assert ids(read(1, b"?"), read(2, b"?"), read(3)) == [None] * 3
    assert Repeats().look(ConnectionOpened(connection=1, server="sc")) is None


def test_the_oldest_batches_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats_module, "BATCHES_REMEMBERED", 2)
    assert ids(read(1, A), read(2, B), read(3, A), read(4, C), read(5, A))[4] == 3
    assert ids(read(1, A), read(2, B), read(3, C), read(4, A))[3] is None


def test_only_the_first_batches_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeats_module, "BATCHES_LOOKED_AT", 2)
    assert ids(read(1, A, B, C), read(2, C), read(3, B)) == [None, None, 1]


def test_bytes_of_past_requests_are_not_kept() -> None:
    repeats = Repeats()
    repeats.look(read(1, A))
    earlier = repeats.look(read(2, A))
    assert earlier is not None
    assert earlier.carried == ()


def test_the_line_names_the_request_and_its_connection_if_that_is_another() -> None:
    first = read(3, A)
    assert line_of(read(4, A), repeats=first).endswith("> produce id=4 repeats id=3 greetings/0")
    elsewhere = line_of(read(1, A, connection=5), repeats=first)
    assert elsewhere.endswith("> produce id=1 repeats id=3 of #2 greetings/0")
