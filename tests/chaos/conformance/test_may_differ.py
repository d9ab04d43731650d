"""The list of intended differences."""

from pathlib import Path
from typing import Any

import pytest

from chaos.conformance.documents import ConformanceFileError
from chaos.conformance.may_differ import MayDiffer, load_may_differ

PATH = ("Partition", "greetings-0", "status", "size")


@pytest.mark.parametrize(
    ("entry", "covers"),
    [
        ({"field": "Partition.*.status"}, True),
        ({"field": "Partition.*.status.size"}, True),
        ({"field": "Partition.greetings-*.status"}, True),
        ({"field": "Partition.*.status.size.more"}, False),
        ({"field": "Partition.*.spec"}, False),
        ({"field": "Topic.*"}, False),
        ({"field": "Partition", "session": "produce", "server": "sc"}, True),
        ({"field": "Partition", "session": "admin"}, False),
        ({"field": "Partition", "server": "spu"}, False),
        ({"field": "Partition", "api": "list"}, False),
    ],
)
def test_an_entry_covers_what_it_names(entry: dict[str, Any], covers: bool) -> None:
    made = MayDiffer(**{"api": "watch", "reason": "a test", **entry})
    assert made.covers("produce", "sc", "watch", PATH) == covers


def loaded(tmp_path: Path, text: str) -> list[MayDiffer]:
    path = tmp_path / "may-differ.yaml"
    path.write_text(text)
    return load_may_differ(path)


def test_each_field_in_each_session_has_to_excuse_something(tmp_path: Path) -> None:
    entry = "{sessions: [a, b], server: sc, api: watch, fields: [epoch, SPU], reason: c}"
    found = loaded(tmp_path, f"may_differ: [{entry}]")
    assert found == [
        MayDiffer("watch", field, "c", session, "sc")
        for session in ("a", "b")
        for field in ("epoch", "SPU")
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("may_differ: [{api: watch, fields: [epoch]}]", ":1:14: may_differ[0]: the key 'reason'"),
        ("may_differ: [{api: watch, fields: [epoch], reason: ''}]", "reason: empty text"),
        ("may_differ: [{api: watch, fields: [], reason: a}]", "fields: 0 items; write 1 at least"),
        (
            "may_differ: [{api: watch, field: epoch, reason: a}]",
            "unknown key 'field'; did you mean 'fields'",
        ),
    ],
)
def test_an_entry_without_a_reason_or_a_field_is_refused(
    tmp_path: Path, text: str, mistake: str
) -> None:
    with pytest.raises(ConformanceFileError) as caught:
        loaded(tmp_path, text)
    assert mistake in str(caught.value)
