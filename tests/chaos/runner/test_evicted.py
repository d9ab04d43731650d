"""A history holds everything that was stored, evicted or not."""

from chaos.history import History
from chaos.oracle.judge import judge
from simulator.events import Evicted
from tests.chaos.oracle.checks.playing import played

ONE_BY_ONE = [{"send": {"count": 10, "wait": True}}]
ROOM = {"retain": "1KiB"}


def starts(history: History) -> list[int]:
    """The start offset after each eviction."""
    return [event.start_offset for event in history.events if isinstance(event, Evicted)]


def offsets(log: object) -> list[int]:
    assert isinstance(log, list)
    return [record.offset for record in log]


def test_the_log_of_a_partition_has_what_was_evicted() -> None:
    history = played(workload=ONE_BY_ONE, cluster=ROOM)
    assert starts(history) == [2, 4, 6]
    assert offsets(history.logs[0]) == [*range(11)]  # the last one is a probe
    result = judge(history)
    assert (result.verdict, result.reasons) == ("valid", ())


def test_it_is_the_same_log_as_without_a_limit() -> None:
    limited, whole = (played(workload=ONE_BY_ONE, cluster=more) for more in (ROOM, {}))
    assert starts(whole) == []
    assert limited.logs == whole.logs


def test_a_topic_that_is_deleted_and_one_with_new_partitions_have_theirs() -> None:
    workload = [*ONE_BY_ONE, "delete_topic", "create_topic", "add_partitions", {"sleep": "1s"}]
    again = [{"send": {"count": 30, "keys": 10, "wait": True}}]
    history = played(workload=[*workload, *again], cluster=ROOM)
    assert len(starts(history)) > 10
    assert offsets(history.removed[0][0]) == [*range(10)]
    found = [offsets(history.logs[partition]) for partition in (0, 1)]
    assert found == [[*range(len(log))] for log in found]
    assert sum(map(len, found)) == 30 + 2
    assert judge(history).verdict == "valid"


def test_a_record_that_is_missing_from_what_was_evicted_is_lost() -> None:
    history = played(workload=ONE_BY_ONE, cluster=ROOM)
    del history.logs[0][1]  # type: ignore[attr-defined]
    (finding,) = judge(history).broken
    assert finding.check == "acked-is-stored"
