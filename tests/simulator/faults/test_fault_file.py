from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.documents.reader import DEPTH_MAX, FILE_BYTES_MAX, parse
from simulator.faults.fault_file import FaultFileError, load_faults, parse_faults
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.stall import Stall
from simulator.faults.model import Match


def _lines(text: str) -> list[str]:
    with pytest.raises(FaultFileError) as caught:
        parse_faults(text, "faults.yaml")
    assert str(caught.value) == "\n".join(caught.value.lines)
    return [line.removeprefix("faults.yaml:") for line in caught.value.lines]


# --- what is read


@pytest.mark.parametrize(
    "text",
    [
        "- drop: {name: lost-answer, at: response, nth: 1, match: {partition: 0}}\n- stall\n",
        "faults:\n  - drop:\n      name: lost-answer\n      at: response\n      nth: 1\n"
        "      match:\n        partition: 0\n  - stall: {}\n",
        '{"faults": [{"drop": {"name": "lost-answer", "at": "response", "nth": 1,'
        ' "match": {"partition": 0}}}, "stall"]}',
        "\ufefffaults: [drop: {name: lost-answer, at: response, nth: 1, match: {partition: 0}},"
        " stall]",
    ],
)
def test_a_file_is_a_list_or_a_mapping_with_the_list(text: str) -> None:
    assert parse_faults(text, "faults.yaml") == [
        Drop(name="lost-answer", at="response", nth=1, match=Match(partition=0)),
        Stall(name="stall-2"),
    ]


@pytest.mark.parametrize("text", ["[]", "faults: []", "%YAML 1.1\n---\nfaults: []\n...\n"])
def test_a_list_may_hold_no_faults(text: str) -> None:
    assert parse_faults(text, "faults.yaml") == []


def test_the_example_is_loaded() -> None:
    path = Path(__file__).parents[3] / "examples" / "faults.yaml"
    assert [fault.name for fault in load_faults(path)] == ["lost-answer", "late", "cut-off"]


def test_a_file_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text("- stall: {match: {topic: grüße}}\n", encoding="utf-8")
    assert load_faults(path) == load_faults(str(path))
    [stall] = load_faults(path)
    assert stall == Stall(name="stall-1", match=Match(topic="grüße"))


def test_a_nan_is_no_probability() -> None:
    assert _lines("- drop: {probability: .nan}") == [
        "1:10: faults[0].drop.probability: nan is outside 0..1"
    ]


# --- where mistakes are


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "faults:\n  - stall\n  - drop: {probability: 1.5}\n",
            "3:12: faults[1].drop.probability: 1.5 is outside 0..1",
        ),
        (
            "- stall\n- drop:\n    probabilty: 1\n",
            "3:5: faults[1].drop.probabilty: unknown key 'probabilty';"
            " did you mean 'probability'?",
        ),
        ("- stall\n- dorp: {}\n", "2:3: faults[1]: unknown kind 'dorp'; did you mean 'drop'?"),
        ("- delay: {}\n", "1:3: faults[0].delay: the key 'by' is missing"),
        (
            "- delay: {by: {uniform: [1ms, 5]}}",
            "1:31: faults[0].delay.by.uniform[1]: 5 is not a duration; write a number and one of"
            " us, ms, s, m, for example 50ms",
        ),
        (
            "- delay:\n    by:\n      normal: {mean: 1ms}\n",
            "3:7: faults[0].delay.by.normal: the key 'deviation' is missing",
        ),
        (
            "- delay: {by: {pareto: {scale: 1ms, shape: 0}}}",
            "1:37: faults[0].delay.by.pareto.shape: 0 is not a number above zero;"
            " write a shape, for example 1.5",
        ),
        (
            "- delay: {by: {unifrm: [1ms, 2ms]}}",
            "1:11: faults[0].delay.by: unknown distribution 'unifrm'; did you mean 'uniform'?",
        ),
        (
            "- drop: {at: requst}",
            "1:10: faults[0].drop.at: 'requst' is not known; did you mean 'request'?",
        ),
        (
            "- drop: {at: 5}",
            "1:10: faults[0].drop.at: 5 is not known; write one of request, response, both",
        ),
        ("- drop: 5", "1:3: faults[0].drop: 5 is not a mapping of keys to values"),
        ("- drop: {name: 5}", "1:10: faults[0].drop.name: 5 is not text; put it in quotes"),
        (
            "- drop: {name: ''}",
            "1:10: faults[0].drop.name: empty text; write something, or leave the key out",
        ),
        ("- drop: {empty: yes}", "1:10: faults[0].drop.empty: 'yes' is not true or false"),
        (
            "- drop: {nth: [1, 0]}",
            "1:10: faults[0].drop.nth: 0 is not a whole number of at least 1",
        ),
        (
            "- drop: {match: {partition: [0]}}",
            "1:18: faults[0].drop.match.partition: a list is not a whole number of at least 0",
        ),
        (
            "- stall: {name: a}\n- drop: {name: a}\n",
            "2:10: faults[1].drop.name: the name 'a' is taken by fault 1 of this list;"
            " write another name",
        ),
        (
            "- error: {code: NotLeaderForPartition, at: both}",
            "1:40: faults[0].error.at: at: response allows only codes that leave the outcome open"
            " (RequestTimedOut, StorageError, PartitionFull, PartitionShortCircuited,"
            " UnknownServerError, Other); write at: request",
        ),
        ("- drop: {nth: 1, nth: 2}", "1:18: faults[0].drop.nth: duplicate key 'nth';"
            " line 1 has it already"),
        ("faults: []\nfaults: [drop]", "2:1: faults: duplicate key 'faults';"
            " line 1 has it already"),
        ("faults:", "1:1: faults: nothing is not a list"),
        ("faults: 5", "1:1: faults: 5 is not a list"),
        ("hello", "1:1: 'hello' is not a list of faults; write faults: and the list below it"),
        ("---\n", "2:1: nothing is not a list of faults; write faults: and the list below it"),
        ("[]\n---\n[]", "2:1: a second document; a file holds one"),
        ('- drop: {name: "\\ud800"}', "1:16: faults[0].drop.name: '\\ud800' is not Unicode text"),
        ("- drop: {'a b': 1}", "1:10: faults[0].drop.'a b': unknown key 'a b'; write one of name,"
            " optional, at, probability, nth, every, between, limit, match, empty"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_its_place(text: str, line: str) -> None:
    assert _lines(text) == [line]


def test_every_mistake_of_a_file_is_told_in_order() -> None:
    text = """faults:
  - drop: {probability: 1.5, nth: 1}
  - stal
  - delay: {by: &x 5ms, limit: 0}
  - delay: {by: *x, nth: 1..3}
  - refuse: {how: rst, every: 1}
extra: 1
"""
    assert [line.split(": ")[0:2] for line in _lines(text)] == [
        ["2:12", "faults[0].drop.probability"],
        ["2:30", "faults[0].drop.nth"],
        ["3:5", "faults[1]"],
        ["4:17", "faults[2].delay.by"],
        ["4:25", "faults[2].delay.limit"],
        ["5:17", "faults[3].delay.by"],
        ["5:21", "faults[3].delay.nth"],
        ["6:5", "faults[4].refuse"],
        ["6:24", "faults[4].refuse.every"],
        ["7:1", "extra"],
    ]


def test_a_scenario_is_no_faults_file() -> None:
    lines = _lines("name: x\nfaults: []\nfalts: []\n")
    assert lines == [
        "1:1: name: unknown key 'name'; write one of faults",
        "3:1: falts: unknown key 'falts'; did you mean 'faults'?",
    ]


# --- what a file may not hold


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- drop: &a {}", "1:9: faults[0].drop: the anchor &a; write each value out"),
        ("- &a stall", "1:3: faults[0]: the anchor &a; write each value out"),
        ("- drop: {&a nth: 1}", "1:10: faults[0].drop: the anchor &a; write each value out"),
        ("- drop: {nth: *a}", "1:15: faults[0].drop.nth: the alias *a; write its value out"),
        ("- drop: {*a : 1}", "1:10: faults[0].drop: the alias *a; write its value out"),
        ("*a", "1:1: the alias *a; write its value out"),
        (
            "- !!python/object/apply:os.system [ls]",
            "1:3: faults[0]: the tag 'tag:yaml.org,2002:python/object/apply:os.system'; values",
        ),
        ("- drop: !x {}", "1:9: faults[0].drop: the tag '!x'; values here have no tags"),
        ("- drop: {name: !!str 5}", "1:16: faults[0].drop.name: the tag 'tag:yaml.org,2002:str'"),
        ("- drop: {nth: 1, nth: &a [*b]}", "1:23: faults[0].drop: the anchor &a"),
    ],
)
def test_references_and_tags_are_refused(text: str, line: str) -> None:
    assert any(found.startswith(line) for found in _lines(text)), _lines(text)


def test_a_merge_key_merges_nothing() -> None:
    assert "unknown key '<<'" in _lines("- drop: {<<: {nth: 1}}")[0]


@pytest.mark.parametrize("key", ["[a]", "{a: b}", '"\\ud800"'])
def test_a_key_is_text(key: str) -> None:
    assert _lines(f"faults: []\n? {key}\n: 1\n") == ["2:3: a key must be text"]


@pytest.mark.parametrize(
    ("text", "place", "written"),
    [
        ("- drop: {nth: 1..200}", "1:10: faults[0].drop.nth", "1..200"),
        ("- drop: {probability: 0..0.3}", "1:10: faults[0].drop.probability", "0..0.3"),
        ("- delay: {by: 0ms..2s}", "1:11: faults[0].delay.by", "0ms..2s"),
        (
            "- disconnect: {after_bytes: 0..1KiB}",
            "1:16: faults[0].disconnect.after_bytes",
            "0..1KiB",
        ),
        ("- drop: {at: {any: [request, both]}}", "1:10: faults[0].drop.at", "any:"),
        ("- drop: {between: [1s, 2s..3s]}", "1:24: faults[0].drop.between[1]", "2s..3s"),
        ("faults: {some: [stall]}", "1:1: faults", "some:"),
        ("- some: [stall, drop]", "1:3: faults[0]", "some:"),
        ("some: [stall, drop]", "1:1", "some:"),
    ],
)
def test_open_values_belong_in_scenarios(text: str, place: str, written: str) -> None:
    assert _lines(text) == [
        f"{place}: generators ({written}) belong in scenarios; write one value here"
    ]


def test_dots_in_a_name_are_no_open_value() -> None:
    [fault] = parse_faults("- drop: {name: lost..found}", "faults.yaml")
    assert fault.name == "lost..found"


def test_nesting_is_bounded() -> None:
    deepest = "[" * DEPTH_MAX + "]" * DEPTH_MAX
    assert parse(deepest).data
    assert _lines("[" + deepest + "]") == [
        f"1:{DEPTH_MAX + 1}: lists and mappings more than {DEPTH_MAX} deep"
    ]


@pytest.mark.parametrize("opening", ["[", "{", "- ", "? [", "{a: ", "{a: 1, a: ["])
def test_endless_nesting_is_left_at_once(opening: str) -> None:
    text = opening * (FILE_BYTES_MAX // len(opening) // 4)
    assert len(text) > 200_000
    assert "deep" in _lines(text)[0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: b: c", "1:5: not YAML: mapping values are not allowed here"),
        ("faults: [", "1:10: not YAML: "),
        ("- 'abc\n", "2:1: not YAML: while scanning a quoted scalar, found unexpected end"),
        ("- a\n\t- b", "not YAML: "),
        ("- a\n- b\x01", "2:4: not YAML: an unprintable character"),
        ('"\\U00110000"', "not YAML: "),
        ('"\\Uffffffff"', "not YAML: "),
        ("%YAML 3.0\n---\n[]", "1:1: not YAML: found incompatible YAML document"),
    ],
)
def test_what_is_no_yaml_is_told_so(text: str, line: str) -> None:
    [found] = _lines(text)
    assert line in found


@given(st.text(alphabet="-[]{}:,&*!|>'\"%@`#?~ \n\tab1.\\uU\ud800é\x00", max_size=60) | st.text())
def test_any_text_is_read_or_refused_line_by_line(text: str) -> None:
    lines: list[str] = []
    try:
        parse_faults(text, "faults.yaml")
    except FaultFileError as error:
        lines = error.lines
    assert all(line.startswith("faults.yaml:") for line in lines)
    assert all(line.splitlines() == [line] for line in lines)


def test_what_a_file_says_cannot_end_a_line() -> None:
    assert _lines("- stall: {limit: *a\u2028}") == [
        "1:18: faults[0].stall.limit: the alias *a\\u2028; write its value out"
    ]


# --- files that cannot be read


def _refusal(path: Path) -> str:
    with pytest.raises(FaultFileError) as caught:
        load_faults(path)
    [line] = caught.value.lines
    return line.removeprefix(str(path))


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing but words\n", "\ufeff"])
def test_an_empty_file_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(text, encoding="utf-8")
    assert _refusal(path) == ": is empty"


def test_a_missing_file_and_a_directory_are_told_apart(tmp_path: Path) -> None:
    assert _refusal(tmp_path / "none.yaml") == ": cannot be read: No such file or directory"
    assert _refusal(tmp_path) == ": cannot be read: Is a directory"
    with pytest.raises(FaultFileError, match="cannot be read: embedded null byte"):
        load_faults("a\0b")


def test_what_is_not_utf_8_is_located(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_bytes("- grün\n- é".encode() + b"\xff\n")
    assert _refusal(path) == ":2:4: not UTF-8: byte 0xff; save the file as UTF-8"


def test_a_file_above_a_mebibyte_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_bytes(b"- stall\n" + b"#" * (FILE_BYTES_MAX - 8))
    assert load_faults(path) == [Stall(name="stall-1")]
    path.write_bytes(b"[" * (FILE_BYTES_MAX + 1))
    assert _refusal(path) == ": is larger than 1 MiB, the most"
    assert _lines("ß" * FILE_BYTES_MAX) == [" is larger than 1 MiB, the most"]
