import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chaos.spec.loader
from chaos.spec.loader import (
    ScenarioFileError,
    load_scenario_file,
    parse_scenario,
)
from simulator.documents.reader import DEPTH_MAX, FILE_BYTES_MAX

LEAST = "name: x\nworkload: [flush]\n"
"""A scenario; the lines that a test adds begin at line 3."""


def _lines(text: str) -> list[str]:
    with pytest.raises(ScenarioFileError) as caught:
        parse_scenario(text, "s.yaml")
    assert str(caught.value) == "\n".join(caught.value.lines)
    return [line.removeprefix("s.yaml:") for line in caught.value.lines]


def test_a_scenario_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(LEAST, encoding="utf-8")
    prop = load_scenario_file(path)
    assert prop == load_scenario_file(str(path))
    assert (prop.name, prop.filename, prop.concrete) == ("x", str(path), True)
    assert prop.text == LEAST
    assert prop.data == {"name": "x", "workload": ["flush"]}
    assert prop.scenario().name == "x"


# --- concrete scenarios


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("workload: [flush]", "1:1: the key 'name' is missing"),
        ("name: x", "1:1: the key 'workload' is missing"),
        ("name: ''\nworkload: [flush]",
            "1:1: name: empty text; write something, or leave the key out"),
        ("name: x\ntopic: {name: ../x}\nworkload: [flush]",
            "2:9: topic.name: Invalid topic name: '../x'. Contain only lowercase"
            " alphanumeric characters or '-'"),
        ("name: x\ntopic: {name: consumer-offset}\nworkload: [flush]",
            "2:9: topic.name: consumer-offset is the system topic of every cluster;"
            " write another name"),
        ("name: x\nproducer: {max_request_size: 64MiB}\nworkload: [flush]",
            "2:12: producer.max_request_size: 67108864 is more than 66,060,288 bytes"
            " of a request, the most"),
        ("name: 5\nworkload: [flush]", "1:1: name: 5 is not text; put it in quotes"),
        ("name: x\nworkload: []", "2:1: workload: 0 items; write 1 at least"),
        ("name: x\nworkload:", "2:1: workload: nothing is not a list"),
        ("name: x\nworkload: flush", "2:1: workload: 'flush' is not a list"),
        ("name: x\nworkload: [flsh]",
            "2:12: workload[0]: unknown kind 'flsh'; did you mean 'flush'?"),
        ("name: x\nworkload: [5]",
            "2:12: workload[0]: 5 is not a step; write one of send, send_all,"
            " flush, wait, close, sleep, concurrently, with_producer, leave, consume,"
            " create_topic, delete_topic,"
            " add_partitions, move_leader, fail_leader, stop_spu, start_spu, change_address, cut"),
        ("name: x\nworkload: [sleep]",
            "2:12: workload[0]: sleep needs a duration; write sleep: 1s"),
        ("name: x\nworkload: [sleep: 5]", "2:12: workload[0].sleep: 5 is not a duration;"
            " write a number and one of us, ms, s, m, for example 50ms"),
        ("name: x\nworkload: [send: ]",
            "2:12: workload[0]: send has no fields below it; for its defaults"
            " write send: {}"),
        ("name: x\nworkload: [send: {cuont: 5}]",
            "2:19: workload[0].send.cuont: unknown key 'cuont'; did you mean 'count'?"),
        ("name: x\nworkload: [send: {count: 0}]",
            "2:19: workload[0].send.count: 0 is not a whole number of at least 1"),
        ("name: x\nworkload: [delete_topic: {x: 1}]",
            "2:27: workload[0].delete_topic.x: unknown key 'x'; no key is allowed here"),
        ("name: x\nworkload: [send, wait: [0, 1]]",
            "2:28: workload[1].wait[1]: record 1 is not sent yet; 1 record is sent before this"
            " step, numbered from 0"),
        ("name: x\nworkload: [send: {count: 2}, wait: {ids: [2]}]",
            "2:43: workload[1].wait.ids[0]: record 2 is not sent yet; 2 records are sent before"
            " this step, numbered from 0"),
        ("name: x\nworkload: [concurrently: [[send, wait: [0]], [wait: [0]]]]",
            "2:54: workload[0].concurrently[1][0].wait[0]: record 0 is not sent yet; 0 records are"
            " sent before this step, numbered from 0"),
        ("name: x\nworkload: [concurrently]",
            "2:12: workload[0]: concurrently needs lists of steps; write concurrently: [[send],"
            " [send, flush]]"),
        ("name: x\nworkload: [with_producer]",
            "2:12: workload[0]: with_producer needs a list of steps; write with_producer: [send,"
            " flush]"),
        ("name: x\nworkload: [with_producer: [leave]]",
            "2:28: workload[0].with_producer[0]: leave needs a way out; write leave: error, or"
            " leave: cancel"),
        ("name: x\nworkload: [send, leave: error]",
            "2:18: workload[1].leave: leave stands only inside with_producer, whose block it"
            " leaves"),
        ("name: x\nworkload: [with_producer: [send: {cont: 1}]]",
            "2:35: workload[0].with_producer[0].send.cont: unknown key 'cont'; did you mean"
            " 'count'?"),
        ("name: x\nworkload: [concurrently: [[send], [stop_spu: {spu: 1}]]]",
            "2:47: workload[0].concurrently[1][0].stop_spu.spu: there is no SPU 1; cluster.spus is"
            " 1, numbered from 0"),
        ("name: x\nworkload: [sleep: 0ms..1]",
            "2:12: workload[0].sleep: the ends of 0ms..1 are of two kinds; write both with a unit,"
            " for example 0ms..2s"),
        ("name: x\nworkload: [send: {some: [5]}]",
            "2:12: workload[0].send: some: leaves out faults and stands only in faults:; write any:"
            " or one value"),
        ("name: x\nworkload: [send: {size: 7}]",
            "2:19: workload[0].send.size: 7 bytes do not hold the id of a record; write 8 or more"),
        ("name: x\nworkload: [send: {wait: yes}]",
            "2:19: workload[0].send.wait: 'yes' is not true or false"),
        ("name: x\nworkload: [send: {count: 1000001}]",
            "2:19: workload[0].send.count: 1,000,001 records up to here; a scenario sends 1,000,000"
            " at most"),
        ("name: x\nworkload: [send: {size: 513MiB}]",
            "2:12: workload[0].send: 537,919,488 bytes up to here; a scenario sends 536,870,912"
            " at most"),
        ("name: x\nworkload: [move_leader: {}]",
            "2:12: workload[0].move_leader: the key 'to' is missing"),
        ("name: x\nworkload: [move_leader: {to: 1}]",
            "2:26: workload[0].move_leader.to: there is no SPU 1; cluster.spus is 1,"
            " numbered from 0"),
        ("name: x\nworkload: [move_leader: {to: 0, partition: 1}]",
            "2:33: workload[0].move_leader.partition: there is no partition 1; topic.partitions"
            " is 1,"
            " numbered from 0"),
        ("name: x\nworkload: [stop_spu: {spu: 1}]",
            "2:23: workload[0].stop_spu.spu: there is no SPU 1; cluster.spus is 1, numbered"
            " from 0"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_with_its_place(text: str, line: str) -> None:
    assert _lines(text) == [line]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("naem: y", "3:1: naem: unknown key 'naem'; did you mean 'name'?"),
        ("name: y", "3:1: name: duplicate key 'name'; line 1 has it already"),
        ("description: 5", "3:1: description: 5 is not text; put it in quotes"),
        ("slow: yes", "3:1: slow: 'yes' is not true or false"),
        ("slow: 1", "3:1: slow: 1 is not true or false"),
        ("worlds: 5", "3:1: worlds: 5 is not a list"),
        ("worlds: []", "3:1: worlds: 0 items; write 1 at least"),
        ("worlds: [vritual]", "3:10: worlds[0]: 'vritual' is not known; did you mean 'virtual'?"),
        ("examples: 0", "3:1: examples: 0 is not a whole number of at least 1"),
        ("examples: 10000001",
            "3:1: examples: 10000001 is more than 10,000,000 examples, the most"),
        ("examples: 1.5", "3:1: examples: 1.5 is not a whole number of at least 1"),
        ("seed: -1", "3:1: seed: -1 is not a whole number of at least 0"),
        (f"seed: {2**63}", f"3:1: seed: {2**63} is more than {2**63 - 1}, the largest seed"),
        ("seed: .nan", "3:1: seed: nan is not a whole number of at least 0"),
        (f"seed: {'9' * 41}", f"3:1: seed: '{'9' * 41}' is not a whole number of at least 0"),
        ("topic: 5", "3:1: topic: 5 is not a mapping of keys to values"),
        ("topic: {partitions: 1001}",
            "3:9: topic.partitions: 1001 is more than 1,000 partitions, the most"),
        ("cluster: {spus: 101}", "3:11: cluster.spus: 101 is more than 100 SPUs, the most"),
        ("cluster: {spus: true}", "3:11: cluster.spus: true is not a whole number of at least 1"),
        ("network: {}", "3:1: network: real sockets have a network of their own;"
            " write worlds: [virtual]"),
        ("worlds: [virtual]\nnetwork: {bandwidth: 0}",
            "4:11: network.bandwidth: 0 is less than 1, the least"),
        ("producer: {retry: {timeout: 0ms}}",
            "3:20: producer.retry.timeout: no time at all; write a duration above 0"),
        ("producer: {retry: {stratgy: fixed-delay}}",
            "3:20: producer.retry.stratgy: unknown key 'stratgy'; did you mean 'strategy'?"),
        ("producer: {batch_size: 0}", "3:12: producer.batch_size: 0 is less than 1, the least"),
        ("producer: {max_request_size: 1023}",
            "3:12: producer.max_request_size: 1023 is less than 1,024, the least"),
        ("producer: {compression: zip}", "3:12: producer.compression: 'zip' is not known;"
            " did you mean 'gzip'?"),
        ("expect: {lost: 0}", "3:1: expect: there is no 'expect'; write always: for what must hold"
            " in every run, or sometimes: for what must occur in some example (and 1.. in place of"
            " some)"),
        ("always: {lost: 0, duplicated: -1}", "3:19: always.duplicated: -1 is not a number and no"
            " interval; write a number, or 1.. for at least one, ..5 for at most five, 2..5"),
        ("always: {lost: 5..2}", "3:10: always.lost: 5..2 ends below its start; write the smaller"
            " end first"),
        ("always: {recovery: 2s}", "3:10: always.recovery: '2s' is no interval of times; write ..2s"
            " for at most two seconds, or 1s..2s"),
        ("always: {flush: {max: ..2}}", "3:18: always.flush.max: '2' is not a duration; write a"
            " number and one of us, ms, s, m, for example 50ms"),
        ("sometimes: {flush: ..2s}", "3:13: sometimes.flush: '..2s' is not a mapping of keys to"
            " values"),
        ("faults: {}", "3:1: faults: a mapping is not a list"),
        ("faults: [drop: {nth: 0}]",
            "3:17: faults[0].drop.nth: 0 is not a whole number of at least 1"),
        ("faults: [stall: {match: {spu: 1}}]",
            "3:26: faults[0].stall.match.spu: there is no SPU 1; cluster.spus is 1, numbered"
            " from 0"),
        ("faults: [stall: {match: {partition: 1}}]",
            "3:26: faults[0].stall.match.partition: there is no partition 1; topic.partitions is 1,"
            " numbered from 0"),
        ("faults: [refuse: {server: 'spu:1'}]",
            "3:19: faults[0].refuse.server: there is no SPU 1; cluster.spus is 1, numbered from 0"),
        ("topic: &a {}", "3:8: topic: the anchor &a; write each value out where it belongs"),
        ("topic: *a", "3:8: topic: the alias *a; write its value out"),
        ("topic: !t {}", "3:8: topic: the tag '!t'; values here have no tags"),
        ("---\nname: y", "3:1: a second document; a file holds one"),
        ("\ttopic: {}", "3:1: not YAML: while scanning for the next token, found character '\\t'"
            " that cannot start any token; indent with spaces, not with tabs"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_key_is_one_line_with_its_place(text: str, line: str) -> None:
    assert _lines(LEAST + text) == [line]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", " is empty"),
        ("# words\n", " is empty"),
        ("---\n", "2:1: nothing is no scenario; write name:, workload: and what else it needs"),
        ("5", "1:1: 5 is no scenario; write name:, workload: and what else it needs"),
        ("[flush]", "1:1: a list is no scenario; write name:, workload: and what else it needs"),
        ("1..2", "1:1: '1..2' is no scenario; write name:, workload: and what else it needs"),
        ("name: a: b", "1:8: not YAML: mapping values are not allowed here; is it indented like its"
            " neighbours, and text with ': ' in quotes?"),
        ("name: x\n seed: 1", "2:6: not YAML: mapping values are not allowed here; is it indented"
            " like its neighbours, and text with ': ' in quotes?"),
        ("a: [b\nc: d", "2:2: not YAML: while parsing a flow sequence, expected ',' or ']', but got"
            " ':'; is a bracket or a comma missing?"),
        ("a: [", "1:5: not YAML: while parsing a flow node, expected the node content, but found"
            " '<stream end>'; the file ends too early"),
        ("a: \"b", "1:6: not YAML: while scanning a quoted scalar, found unexpected end of stream;"
            " is a quote missing?"),
        ("a: %b", "1:4: not YAML: while scanning for the next token, found character '%' that"
            " cannot start any token; put this text in quotes"),
        ("a:\n  - b\n  -c\nd: e",
            "4:1: not YAML: while scanning a simple key, could not find expected ':'"
            "; is a ':' or the space behind a '-' missing?"),
        ("[" * (DEPTH_MAX + 1),
            f"1:{DEPTH_MAX + 1}: lists and mappings more than {DEPTH_MAX} deep"),
        ("#" * (FILE_BYTES_MAX + 1), " is larger than 1 MiB, the most"),
    ],
)  # fmt: skip
def test_a_text_that_is_no_scenario_at_all_is_reported(text: str, line: str) -> None:
    assert _lines(text) == [line]


def test_an_unreadable_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ScenarioFileError, match=r"none.yaml: cannot be read: No such file"):
        load_scenario_file(tmp_path / "none.yaml")


def test_values_are_counted_before_they_are_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    values = 1_700  # ten times faster than the real limit
    monkeypatch.setattr(chaos.spec.loader, "VALUES_MAX", values)
    steps = values - 3
    assert len(_lines(f"name: x\nworkload: [{'flush,' * steps}]")) == 1
    assert _lines(f"name: x\nworkload: [{'flush,' * (steps + 1)}]") == [
        f" {values + 1:,} values; a scenario has {values:,} at most"
    ]


def test_the_length_of_a_workload_is_limited() -> None:
    assert _lines(f"name: x\nworkload: [{'flush,' * 1001}]") == [
        "2:1: workload: more than 1,000 items, the most"
    ]


def test_all_mistakes_of_a_file_are_reported_in_order() -> None:
    text = """name: x
cluster: {spus: 0}
faults:
  - drop: {probability: 0..1.5, match: {spu: 2}}
  - some: [stall, dorp]
workload:
  - send: {count: {any: [0, 5, x]}}
  - stop_spu: {spu: 3..1}
always: {lost: x..2}
extra: 1
"""
    assert [line.split(": ")[0:2] for line in _lines(text)] == [
        ["2:11", "cluster.spus"],
        ["4:12", "faults[0].drop.probability"],
        ["4:41", "faults[0].drop.match.spu"],
        ["5:19", "faults[1].some[1]"],
        ["7:26", "workload[0].send.count.any[0]"],
        ["7:32", "workload[0].send.count.any[2]"],
        ["8:16", "workload[1].stop_spu.spu"],
        ["9:10", "always.lost"],
        ["10:1", "extra"],
    ]


# --- arbitrary input

WORDS = st.sampled_from(
    [
        *[
            "name:",
            "workload:",
            "faults:",
            "always:",
            "lost:",
            "topic:",
            "partitions:",
            "cluster:",
            "spus:",
            "any:",
            "some:",
        ],
        *[
            "send:",
            "count:",
            "nth:",
            "drop",
            "flush",
            "x",
            "1",
            "1..5",
            "5..1",
            "0ms..2s",
            "1..2KiB",
            "-",
            "[",
            "]",
            "{",
            "}",
            ",",
            "&a",
            "*a",
            "!t",
        ],
        "\n",
    ]
)


def _lines_or_none(text: str) -> list[str]:
    try:
        prop = parse_scenario(text, "s.yaml")
    except ScenarioFileError as error:
        return error.lines
    if prop.concrete:
        prop.scenario()
    return []


@given(
    st.text(max_size=80)
    | st.lists(WORDS, max_size=30).map(" ".join)
    | st.lists(WORDS, max_size=30).map(lambda words: f"name: x\nworkload: [{' '.join(words)}]")
)
def test_any_text_is_loaded_or_rejected_with_places(text: str) -> None:
    lines = _lines_or_none(text)
    assert all(line.startswith("s.yaml:") for line in lines)
    assert all(line.splitlines() == [line] for line in lines)


VALUES = st.recursive(
    st.sampled_from(["1..5", "0ms..2s", "drop", "flush", "x", 1, 0, None, True, 1.5, "send"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["any", "some", "drop", "send", "spus", "count", "nth", "match"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["cluster", "topic", "network", "worlds", "producer", "faults", "workload", "always"]
        ),
        VALUES,
    )
)
def test_any_data_is_loaded_or_rejected(data: dict[str, object]) -> None:
    lines = _lines_or_none(json.dumps({"name": "x", "workload": ["flush"], **data}))
    assert all(line.startswith("s.yaml:") for line in lines)


@pytest.mark.parametrize("text", ["1..2" * 200_000, "1." * 400_000 + "..2", "9" * 500_000 + "..1"])
def test_a_long_text_that_resembles_a_range_is_rejected_fast(text: str) -> None:
    assert len(_lines(f"{LEAST}seed: {text}")) == 1
