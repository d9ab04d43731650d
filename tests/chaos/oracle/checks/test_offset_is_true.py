"""``offset-is-true``: the reported offset holds the record."""

from chaos.oracle.checks import offset_is_true
from tests.chaos.oracle.checks.playing import judged, played, said, with_logs

LOST_ANSWER = {"drop": {"at": "response", "nth": 1}}


def test_every_reported_offset_is_checked() -> None:
    history = played()
    assert (said(offset_is_true, history), judged(offset_is_true, history)) == ([], 4)


def test_a_wrong_offset_is_reported_with_the_true_one() -> None:
    history = played()
    history.records[2].offset = 1
    (text,) = said(offset_is_true, history)
    assert text == "record 2 was acknowledged as 0@1 at 0.001 s, but it is at 0@2"


def test_a_wrong_partition_is_wrong_even_with_the_right_offset() -> None:
    history = played()
    history.records[0].partition = 1
    assert len(said(offset_is_true, history)) == 1


def test_the_offset_of_either_copy_is_valid() -> None:
    history = played(LOST_ANSWER)
    for offset, sentences in ((0, 0), (3, 0), (1, 1)):
        history.records[0].offset = offset
        assert len(said(offset_is_true, history)) == sentences


def test_a_client_without_offsets_is_not_judged() -> None:
    history = played()
    history.records[0].offset = None
    assert judged(offset_is_true, history) == 3


def test_a_record_without_a_copy_is_left_to_another_check() -> None:
    history = with_logs(played(), {0: []})
    assert (said(offset_is_true, history), judged(offset_is_true, history)) == ([], 0)
