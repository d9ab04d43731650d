from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.documents.emitter import HEADER, WIDTH, to_yaml
from simulator.documents.reader import parse

SCENARIO = """\
name: a lost answer makes a duplicate, never a loss
description: |
  Two lines
  of text.
topic: {name: greetings, partitions: 1}
producer:
  delivery_semantic: at-least-once
  retry: {max_retries: 5, initial_delay: 10ms, strategy: exponential-backoff}
faults:
  - drop: {name: lost-answer, at: response, nth: 1, match: {api: produce, partition: 0}}
  - refuse: {server: "spu:0", between: [1s, 3s]}
  - stall
worlds: [virtual, tcp]
workload:
  - send: {count: 20, size: 100}
  - flush
always: {lost: 0, duplicated: 1..}
"""


def _same(one: Any, other: Any) -> bool:
    """Equal in their types too: 1 is not 1.0, nor true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return type(one) is type(other) and (one == other or (one != one and other != other))


def test_a_scenario_is_written_as_people_write_it() -> None:
    assert to_yaml(parse(SCENARIO).data) == SCENARIO


def test_a_header_stands_before_it() -> None:
    text = to_yaml({"name": "x"}, header=HEADER)
    assert text == "# yaml-language-server: $schema=schema.json\nname: x\n"
    assert parse(text).data == {"name": "x"}


def test_what_is_too_long_for_a_line_is_broken_up() -> None:
    fields = {f"a-long-key-{n}": n for n in range(12)}
    text = to_yaml({"producer": fields, "workload": [{"send": fields}, {"x": 1, "y": fields}]})
    assert all(len(line) <= WIDTH for line in text.splitlines())
    assert "\n  - send:\n      a-long-key-0: 0\n" in text
    assert parse(text).data == {
        "producer": fields,
        "workload": [{"send": fields}, {"x": 1, "y": fields}],
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "no",
        "null",
        "~",
        "true",
        "1",
        "1.5",
        "1..5",
        "0x1f",
        ".nan",
        "-",
        "- a",
        "a: b",
        "a #b",
        "#a",
        "'a'",
        '"a"',
        "a\\b",
        "a,b",
        "[a]",
        "{a}",
        "*a",
        "&a",
        "!a",
        "|",
        ">",
        "%a",
        "@a",
        "a ",
        " a",
        "a:",
        "?",
        "spu:0",
        "a\nb",
        "a\nb\n",
        "\na\n",
        "a\n\nb\n",
        " a\n b",
        "a\n\n",
        "a\tb",
        "\x00",
        "\x85",
        "\u2028",
        "\ufeff",
        "😀",
        "\U0010ffff",
        "...",
        "---",
        "<<",
        "=",
        "it's",
        "grün",
        "1e5",
        "10ms",
        "a" * 300,
    ],
)
@pytest.mark.parametrize("place", ["key", "top", "flow", "list", "listed mapping"])
def test_every_text_means_itself(text: str, place: str) -> None:
    places: dict[str, dict[str, Any]] = {
        "key": {text: 1},
        "top": {"a": text},
        "flow": {"a": {"b": text, "c": [text, text]}},
        "list": {"a": [{"b": 1}, text]},
        "listed mapping": {"a": [{"b": text, "c": {"d": [{"e": text}]}}]},
    }
    data = places[place]
    document = parse(to_yaml(data))
    assert document.diagnostics == []
    assert _same(document.data, data)


TEXT = st.text(max_size=20)
DATA = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | TEXT
    | st.text(alphabet="a b:#-,\n\t[]{}'\"\\%!&*|>?.019", max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(TEXT, DATA, max_size=5))
def test_reading_what_was_written_gives_the_same(data: dict[str, Any]) -> None:
    document = parse(to_yaml(data))
    assert document.diagnostics == []
    assert _same(document.data, data)
