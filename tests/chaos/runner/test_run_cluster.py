"""The logs of a run are read from the simulator."""

import pytest

from chaos.runner import run_cluster
from tests.chaos.oracle.checks.playing import played


@pytest.mark.parametrize("size", [100, 20_000], ids=["small", "large"])
def test_runs_with_the_same_batches_have_equal_records_but_share_none(size: int) -> None:
    workload = [{"send": {"count": 3, "size": size}}, "flush"]
    one, other = (played(workload=workload).logs[0] for _ in range(2))
    assert [len(record.value) for record in one[:3]] == [size] * 3
    assert one == other
    assert not any(mine is theirs for mine, theirs in zip(one, other, strict=True))


def test_a_batch_that_is_stored_twice_has_the_offsets_of_both_places() -> None:
    twice = [{"duplicate": {"at": "request", "nth": 1}}]
    log = played(workload=[{"send": {"count": 3}}, "flush"], faults=twice).logs[0]
    assert [record.offset for record in log[:6]] == [*range(6)]
    assert [record.value for record in log[:3]] == [record.value for record in log[3:6]]


@pytest.mark.parametrize(("compression", "kept"), [("none", True), ("gzip", False)])
def test_no_compressed_batch_is_kept_for_further_runs(compression: str, kept: bool) -> None:
    """A kilobyte of such a batch may hold 32 MiB of values."""
    run_cluster._columns.cache_clear()
    played(workload=["send", "flush"], producer={"compression": compression})
    assert (run_cluster._columns.cache_info().currsize > 0) is kept
