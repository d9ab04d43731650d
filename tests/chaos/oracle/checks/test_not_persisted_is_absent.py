"""``not-persisted-is-absent``: a record reported as not stored is not stored."""

from chaos.oracle.checks import not_persisted_is_absent
from tests.chaos.oracle.checks.playing import judged, played, said

TOO_LARGE = {"error": {"at": "request", "code": "MessageTooLarge", "nth": 1}}
STORED_UNANSWERED = {"drop": {"at": "response", "every": 1}}


def test_a_refused_record_is_absent() -> None:
    history = played(TOO_LARGE)
    assert [record.outcome for record in history.records[:3]] == ["failed"] * 3
    assert said(not_persisted_is_absent, history) == []
    assert judged(not_persisted_is_absent, history) == 3


def test_a_record_that_may_be_stored_may_be_stored() -> None:
    history = played(STORED_UNANSWERED)
    assert [record.outcome for record in history.records[:3]] == ["unknown"] * 3
    assert said(not_persisted_is_absent, history) == []
    assert judged(not_persisted_is_absent, history) == 0


def test_one_copy_of_a_record_reported_as_absent_is_a_violation() -> None:
    history = played(STORED_UNANSWERED)
    history.records[1].outcome = "failed"
    assert said(not_persisted_is_absent, history) == [
        "record 1 was reported as certainly not stored at 3.201 s, but a copy is at 0@1"
    ]
