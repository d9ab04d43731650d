"""Files with generators: properties, and the places of mistakes."""

import pytest

import chaos.spec.variants
from chaos.spec.expectations import Wanted
from chaos.spec.loader import FIXED, ScenarioFileError, parse_scenario

LEAST = "name: x\nworkload: [flush]\n"
"""A scenario; the lines that a test adds begin at line 3."""


def _lines(text: str) -> list[str]:
    with pytest.raises(ScenarioFileError) as caught:
        parse_scenario(text, "s.yaml")
    assert str(caught.value) == "\n".join(caught.value.lines)
    return [line.removeprefix("s.yaml:") for line in caught.value.lines]


@pytest.mark.parametrize(
    "text",
    [
        "cluster: {spus: 1..3}",
        "cluster: {spus: 2..2}",
        "seed: 0..5",
        "faults: [drop: {probability: 0..0.3}]",
        "faults: [drop: {probability: 0.1..0.5}]",
        "faults: [drop: {nth: [1..3, 7]}]",
        "faults: [delay: {by: 0ms..2s}]",
        "faults: [delay: {by: {uniform: [1ms..5ms, 5ms..9ms]}}]",
        "faults: [disconnect: {after_bytes: 0..1KiB}]",
        "faults: [disconnect: {after_bytes: 1 KiB..1 MiB}]",
        "faults: {any: [[], [drop], {some: [stall]}]}",
        "faults: [{any: [drop, {some: [stall, drop]}]}]",
        "faults: [{some: [{some: [stall]}, {any: [drop, stall]}]}]",
        "faults: [drop: {any: [{nth: 1}, {every: 1..5}]}]",
        "producer: {any: [{}, {linger: 1ms..2ms}]}",
        "producer: {compression: {any: [none, {any: [gzip, zstd]}]}}",
        "producer: {attempt_timeout: {any: [null, 5s]}}",
    ],
)
def test_generators_make_a_property(text: str) -> None:
    assert not parse_scenario(LEAST + text, "s.yaml").concrete


@pytest.mark.parametrize(
    "text",
    [
        "faults: [drop: {name: lost..found}]",
        "faults: [drop: {name: 1.0.0}]",
        "description: from 1..5 on",
        "topic: {name: any}",
    ],
)
def test_text_may_hold_dots_and_words(text: str) -> None:
    assert parse_scenario(LEAST + text, "s.yaml").concrete


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("cluster: {spus: 5..1}", "3:11: cluster.spus: 5..1 ends below its start;"
            " write the smaller end first"),
        ("cluster: {spus: 0..5}", "3:11: cluster.spus: 0 is not a whole number of at least 1"
            " (in the range 0..5)"),
        ("cluster: {spus: 1..101}", "3:11: cluster.spus: 101 is more than 100 SPUs, the most"
            " (in the range 1..101)"),
        ("cluster: {spus: -5..-1}", "3:11: cluster.spus: -5 is not a whole number of at least 1"
            " (in the range -5..-1)"),
        ("cluster: {spus: 1.5..3}", "3:11: cluster.spus: 1.5 is not a whole number of at least 1"
            " (in the range 1.5..3)"),
        ("cluster: {spus: 1ms..3ms}",
            "3:11: cluster.spus: '1ms' is not a whole number of at least 1"
            " (in the range 1ms..3ms)"),
        ("cluster: {spus: 1...3}",
            "3:11: cluster.spus: '1...3' is not a whole number of at least 1"),
        ("cluster: {spus: 1..}", "3:11: cluster.spus: '1..' is not a whole number of at least 1"),
        ("cluster: {spus: 1 .. 3}", "3:11: cluster.spus: '1 .. 3' is not a whole number of at least"
            " 1"),
        ("producer: {linger: 0..2s}", "3:12: producer.linger: the ends of 0..2s are of two kinds;"
            " write both with a unit, for example 0ms..2s"),
        ("producer: {linger: 1KiB..2s}", "3:12: producer.linger: the ends of 1KiB..2s are of two"
            " kinds; write both with a unit, for example 0ms..2s"),
        ("producer: {linger: 1sec..2sec}", "3:12: producer.linger: unknown unit 'sec';"
            " write one of us, ms, s, m, KiB, MiB, GiB"),
        ("producer: {linger: 1kib..2MiB}", "3:12: producer.linger: unknown unit 'kib';"
            " write one of us, ms, s, m, KiB, MiB, GiB"),
        ("producer: {linger: 0..5}",
            "3:12: producer.linger: 0 is not a duration; write a number and"
            " one of us, ms, s, m, for example 50ms (in the range 0..5)"),
        ("producer: {linger: 0.5us..2us}", "3:12: producer.linger: 0.5us..2us is finer than a"
            " microsecond; write whole ones"),
        ("producer: {linger: 1m..1441m}", "3:12: producer.linger: '1441m' is longer than 1440m,"
            " the most (in the range 1m..1441m)"),
        ("producer: {batch_size: 0.5..1KiB}", "3:12: producer.batch_size: the ends of 0.5..1KiB are"
            " of two kinds; write both with a unit, for example 0ms..2s"),
        ("faults: [drop: {probability: 0..0.0000000001}]", "3:17: faults[0].drop.probability:"
            " 0..0.0000000001 has more than 9 decimals, the most"),
        ("topic: {name: 1..2}", "3:9: topic.name: 1 is not text; put it in quotes"
            " (in the range 1..2)"),
        ("topic: {name: 1ms..2ms}", "3:9: topic.name: 1ms..2ms is a range, and here any text can"
            " stand; write any: with the texts"),
        ("producer: {compression: 1..2}", "3:12: producer.compression: 1 is not known; write one of"
            " none, gzip, snappy, lz4, zstd (in the range 1..2)"),
        ("producer: 1..2", "3:1: producer: 1 is not a mapping of keys to values"
            " (in the range 1..2)"),
        ("faults: 1..2", "3:1: faults: 1 is not a list (in the range 1..2)"),
        ("faults: [drop: {at: {any: []}}]", "3:17: faults[0].drop.at: any: takes a list of values,"
            " of which one is drawn, for example any: [1, 5]"),
        ("faults: [drop: {at: {any: both}}]",
            "3:17: faults[0].drop.at: any: takes a list of values,"
            " of which one is drawn, for example any: [1, 5]"),
        ("faults: [drop: {at: {any: [both, requst]}}]",
            "3:34: faults[0].drop.at.any[1]: 'requst' is"
            " not known; did you mean 'request'?"),
        ("faults: {some: []}", "3:1: faults: some: takes a list of faults, of which each is there"
            " or not"),
        ("faults: {some: drop}", "3:1: faults: some: takes a list of faults, of which each is there"
            " or not"),
        ("faults: {some: [drop, dorp]}", "3:23: faults.some[1]: unknown kind 'dorp'; did you mean"
            " 'drop'?"),
        ("faults: {some: [drop: {name: a}, stall: {name: a}]}",
            "3:42: faults.some[1].stall.name: the"
            " name 'a' is taken by fault 1 of this list; write another name"),
        ("faults: {some: [drop: {any: [{nth: 1}, {nth: 1..2, every: 2}]}]}",
            "3:52: faults.some[0].drop.any[1].every: a fault has at most one trigger; remove"
            " every or"
            " nth"),
        ("cluster: {some: [1]}", "3:1: cluster: some: leaves out faults and stands only in faults:;"
            " write any: or one value"),
        ("faults: [drop: {some: [1]}]", "3:10: faults[0].drop: some: leaves out faults and stands"
            " only in faults:; write any: or one value"),
        ("topic: {any: [1], x: 2}",
            "3:9: topic.any: unknown key 'any'; write one of name, partitions"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_generator_is_reported_at_its_place(text: str, line: str) -> None:
    assert line in _lines(LEAST + text)
    assert len({found.split(": ")[0] for found in _lines(LEAST + text)}) <= 2


@pytest.mark.parametrize(
    ("key", "written"),
    [
        (key, written)
        for key in FIXED
        for written in ("1..2", "{any: [1, 2]}", "{some: [1, 2]}")
        if written != "1..2" or key not in ("always", "sometimes")
    ],
)
def test_a_key_that_all_examples_share_cannot_be_drawn(key: str, written: str) -> None:
    rest = {"name": "name: x\n", "workload": "workload: [flush]\n"}
    rest.pop(key, None)
    word = written if written[0] != "{" else written[1:6].split(":")[0] + ":"
    [line] = _lines(f"{key}: {written}\n" + "".join(rest.values()))
    assert line == (
        f"1:1: {key}: no generator ({word}) can stand here:"
        " name, description, worlds, slow, examples, always, sometimes are the same for all"
        " examples"
    )


def test_an_expectation_is_an_interval_and_makes_no_property() -> None:
    found = parse_scenario(LEAST + "always: {lost: 0..2, flush: {max: 1ms..2s}}", "s.yaml")
    assert found.concrete
    assert found.scenario().always.lost == Wanted("0..2", 0, 2)


def test_a_scenario_as_a_whole_is_not_drawn() -> None:
    assert _lines("any: [{name: x}]") == [
        "1:1: a scenario as a whole is not drawn; write any: below a key"
    ]


def test_generators_below_a_fixed_key_are_rejected() -> None:
    [line] = _lines(LEAST + "always: {lost: {any: [0, 1..]}}")
    assert line.startswith("3:10: always.lost: no generator (any:) can stand here")


# --- mistakes that depend on several generators


@pytest.mark.parametrize(
    "text",
    [
        "cluster: {spus: 1..3}\nworkload: [move_leader: {to: 0..2}]",
        "cluster: {spus: {any: [1, 3, 2]}}\nworkload: [move_leader: {to: 0..2}]",
        "cluster: {spus: {any: [3, 1]}}\nworkload: [move_leader: {to: 0..2}]",
        "workload: [flush]\nfaults: [drop: {between: [0s..5s, 1s..10s]}]",
        "workload: [flush]\nfaults: [delay: {by: {uniform: [0s..5s, 1s..10s]}}]",
        "workload: [flush]\nfaults: [error: {code: {any: [MessageTooLarge, StorageError]},"
        " at: {any: [response, request]}}]",
        "workload: [send: {count: 1..1000000, size: 8..1MiB}]",
    ],
)
def test_an_invalid_combination_is_no_mistake(text: str) -> None:
    assert not parse_scenario(f"name: x\n{text}", "s.yaml").concrete


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "cluster: {spus: 2}\nworkload: [move_leader: {to: 0..2}]",
            "3:26: workload[0].move_leader.to: there is no SPU 2; cluster.spus is 2,"
            " numbered from 0 (in the range 0..2)",
        ),
        (
            "workload: [move_leader: {to: 1..2}]",
            "2:26: workload[0].move_leader.to: there is no SPU 1; cluster.spus is 1,"
            " numbered from 0 (in the range 1..2)",
        ),
        (
            "workload: [flush]\nfaults: [drop: {between: [3s..5s, 1s..2s]}]",
            "3:17: faults[0].drop.between: the window ends before it starts;"
            " write [start, end], start below end",
        ),
        (
            "workload: [flush]\nfaults: [drop: {nth: 1..2, every: 1..2}]",
            "3:28: faults[0].drop.every: a fault has at most one trigger; remove every or nth"
            " (in the range 1..2)",
        ),
        (
            "cluster: {spus: 1..2}\nworkload: [move_leader: {to: 5}]",
            "3:26: workload[0].move_leader.to: there is no SPU 5; cluster.spus is 1,"
            " numbered from 0",
        ),
    ],
)
def test_a_mistake_in_every_combination_is_reported(text: str, line: str) -> None:
    assert line in _lines(f"name: x\n{text}")


def test_too_many_alternatives_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    most = 5_000  # a fraction of a second instead of several
    monkeypatch.setattr(chaos.spec.variants, "WORK_MAX", most)
    faults = "- drop: {probability: 0..0.5}\n"
    number = 1
    while 2 * number * (4 + 3 * number + 1) <= most:
        number += 1
    text = LEAST + "faults:\n" + faults * number
    assert len(parse_scenario(text.replace(faults, "", 1), "s.yaml").generators) == number - 1
    [line] = _lines(text)
    assert line.startswith(f"1:1: {2 * number} ends and options of generators are too many for a")
