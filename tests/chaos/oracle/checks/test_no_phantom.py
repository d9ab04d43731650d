"""``no-phantom``: the log holds only records that were sent, where they belong."""

from dataclasses import replace

from chaos.history import Unreadable
from chaos.mutants import MUTANTS
from chaos.oracle.checks import no_phantom
from chaos.oracle.incarnations import partition_of
from simulator.events import Appended
from tests.chaos.oracle.checks.playing import played, said, with_logs, without

DUPLICATE = {"duplicate": {"name": "copy", "at": "request", "nth": 1}}
KEYED = [{"send": {"count": 4, "keys": 4}}, "wait"]


def test_copies_of_producers_and_networks_are_no_phantoms() -> None:
    assert said(no_phantom, played()) == []
    assert said(no_phantom, played(DUPLICATE)) == []
    assert said(no_phantom, played(workload=KEYED, topic={"partitions": 3})) == []


def test_a_value_that_was_never_sent_is_shown() -> None:
    history = played()
    log = [*history.logs[0]]
    log[1] = replace(log[1], value=b"what is this")
    (text,) = said(no_phantom, with_logs(history, {0: log}))
    assert text == "0@1 holds b'what is this', which was never sent"


def test_another_key_is_another_record() -> None:
    history = played(workload=KEYED)
    log = [*history.logs[0]]
    log[0] = replace(log[0], key=b"key-7")
    assert said(no_phantom, with_logs(history, {0: log})) == [
        "record 0 is stored at 0@0 with another key"
    ]


def test_an_empty_key_in_place_of_none_is_no_other_key() -> None:
    history = played()
    log = [replace(record, key=record.key or b"") for record in history.logs[0]]
    assert said(no_phantom, with_logs(history, {0: log})) == []


def test_a_copy_that_no_request_brought_is_reported() -> None:
    history = without(
        played(), lambda event: isinstance(event, Appended) and event.base_offset == 0
    )
    assert said(no_phantom, history)[0] == (
        "record 0 is stored at 0@0, but no request brought it there"
    )


def test_a_copy_in_another_partition_than_its_request_is_reported() -> None:
    history = played(topic={"partitions": 2}, workload=["send", "wait"])
    (there,) = [n for n, log in history.logs.items() if len(log) == 2]
    stray, probe = history.logs[there]
    moved = with_logs(history, {there: [probe], 1 - there: [stray, *history.logs[1 - there]]})
    assert any("no request brought it there" in text for text in said(no_phantom, moved))


def test_a_key_that_belongs_to_another_partition_is_reported() -> None:
    history = played(topic={"partitions": 2}, workload=KEYED)
    record = history.records[0]
    assert record.key is not None
    home = partition_of(record.key, 2)
    record.key = next(key for key in (b"key-1", b"key-2", b"key-3") if partition_of(key, 2) != home)
    assert any(
        text.startswith(f"record 0 was sent to partition {home} at ")
        and text.endswith(f"but its key belongs to partition {1 - home}")
        for text in said(no_phantom, history)
    )


def test_a_batch_that_does_not_decode_is_reported_and_the_run_goes_on() -> None:
    lost = {"drop": {"at": "request", "nth": 1}}
    with MUTANTS["compresses-twice"].applied():
        history = played(lost)
    assert history.unreadable == [Unreadable(0, 0, 3, history.unreadable[0].why)]
    assert said(no_phantom, history) == [
        f"0@0 begins a batch that does not decode: {history.unreadable[0].why}"
    ]
