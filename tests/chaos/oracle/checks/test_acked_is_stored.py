"""``acked-is-stored``: what was acknowledged is in the log."""

from chaos.oracle.checks import acked_is_stored
from tests.chaos.oracle.checks.playing import judged, played, said, with_logs

LOST_REQUESTS = {"drop": {"at": "request", "every": 1}}


def test_every_acknowledged_record_has_a_copy_probes_too() -> None:
    history = played()
    assert said(acked_is_stored, history) == []
    assert judged(acked_is_stored, history) == 3 + 1


def test_an_acknowledged_record_without_a_copy_is_reported_with_its_offset() -> None:
    history = played()
    assert said(acked_is_stored, with_logs(history, {0: [*history.logs[0]][1:]})) == [
        "record 0 was acknowledged at 0@0 at 0.001 s, but no copy of it is stored"
    ]


def test_a_record_that_was_given_up_need_not_be_there() -> None:
    history = played(LOST_REQUESTS)
    assert [record.outcome for record in history.records] == ["unknown"] * 3 + ["ok"]
    assert said(acked_is_stored, history) == []
