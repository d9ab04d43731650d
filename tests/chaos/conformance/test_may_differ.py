"""The list of intended differences."""

from pathlib import Path

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
def test_an_entry_covers_what_it_names(entry: dict[str, str], covers: bool) -> None:
    made = MayDiffer.model_validate({"api": "watch", "reason": "a test", **entry})
    assert made.covers("produce", "sc", "watch", PATH) == covers


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("may_differ: [{api: watch, field: epoch}]", ":1:14: may_differ[0]: the key 'reason'"),
        ("may_differ: [{api: watch, field: epoch, reason: ''}]", "reason: empty text"),
        (
            "may_differ:\n"
            "  - {api: watch, field: epoch, reason: one}\n"
            "  - {api: watch, field: epoch, reason: two}\n",
            ":3:5: may_differ[1]: another entry names the same fields",
        ),
    ],
)
def test_an_entry_without_a_reason_and_one_that_is_repeated_are_refused(
    tmp_path: Path, text: str, mistake: str
) -> None:
    path = tmp_path / "may-differ.yaml"
    path.write_text(text)
    with pytest.raises(ConformanceFileError) as caught:
        load_may_differ(path)
    assert mistake in str(caught.value)
