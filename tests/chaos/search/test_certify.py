"""Certificates: every placement of up to k faults, each once, and a second pair of eyes."""

import json
import runpy
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.mutants import MUTANTS
from chaos.report.certificate import claim, index, page
from chaos.search import recheck
from chaos.search.alphabet import AlphabetError, load_alphabet
from chaos.search.certify import Certificate, CertificateBound, NothingToPlaceError, Row, certify
from chaos.search.placements import Placing
from chaos.search.pool import WorkerPool
from chaos.search.recheck import differences
from chaos.spec.loader import parse_scenario
from chaos.spec.property import Property

ONE = """
name: one record
worlds: [virtual]
producer:
  delivery_semantic: at-least-once
  retry: {max_retries: 1, initial_delay: 10ms, timeout: 1500ms, strategy: exponential-backoff}
workload:
  - send: {count: 1, wait: true}
"""

MOST = """
name: one record, at most once
worlds: [virtual]
producer: {delivery_semantic: at-most-once, response_timeout: 800ms}
workload:
  - send: {count: 1, wait: true}
"""

CLUSTER = """
name: a cluster
worlds: [virtual]
cluster: {spus: 2}
producer: {delivery_semantic: at-most-once, response_timeout: 800ms}
workload:
  - send: {count: 1, wait: true}
"""

LETTERS = """
faults:
  - drop: {at: request}
  - refuse: {server: spu, how: rst}
steps:
  - [move_leader: {to: 1}, sleep: 1s]
  - [stop_spu: {spu: 0}, sleep: 1s, start_spu: {spu: 0}]
"""


TWO = """
name: two partitions
worlds: [virtual]
cluster: {spus: 2}
topic: {partitions: 3}
producer: {delivery_semantic: at-most-once, response_timeout: 800ms}
workload:
  - send: {count: 3}
  - flush
  - send: {count: 2, wait: true}
"""

MATCHING = """
faults:
  - drop: {match: {partition: 2}}
  - drop: {at: request, match: {entry: 0}}
  - stall: {at: response, match: {spu: 1}}
  - disconnect: {at: request, match: {topic: greetings, connection: 3}}
  - delay: {by: 1s, at: request, match: {api: all, client_id: another}}
  - drop: {at: response, match: {api: api-versions, client_id: fluvio}}
"""


def scenario(text: str) -> Property:
    return parse_scenario(text, "mine.yaml")


def bound(
    tmp_path: Path, letters: str, faults: int, *, all_apis: bool = False, schedules: int = 1
) -> CertificateBound:
    path = tmp_path / "letters.yaml"
    path.write_text(letters, encoding="utf-8")
    return CertificateBound(load_alphabet(str(path)), faults, all_apis, schedules)


def done(prop: Property, tried: CertificateBound, jobs: int = 1) -> Certificate:
    with WorkerPool(jobs) as pool:
        return certify(prop, tried, pool=pool)


def words(rows: list[Row]) -> list[str]:
    return [json.dumps([row.seed, row.placement]) for row in rows]


def kinds(row: Row) -> list[str]:
    return [next(iter(letter)) for letter in row.placement]


def test_every_placement_of_up_to_two_faults_is_tried_once_and_each_fault_fires() -> None:
    found = done(scenario(MOST), CertificateBound(load_alphabet("small"), 2))
    assert Counter(len(row.placement) for row in found.rows) == {0: 1, 1: 16, 2: 28}
    assert len(set(words(found.rows))) == len(found.rows)
    assert [row.fired for row in found.rows] == [len(row.placement) for row in found.rows]
    assert (found.verdict, found.hollow, found.first_letters) == ("valid", 0, 16)


CUT = """
name: an answer that is due only after healing
worlds: [virtual]
cluster: {commit_delay: 50ms}
producer: {delivery_semantic: at-most-once, isolation: read-committed}
workload:
  - send: {count: 1, wait: true}
  - send
  - sleep: 10ms
  - cut: {server: spu}
  - wait
"""


def test_no_fault_is_placed_at_an_answer_that_is_due_only_after_healing() -> None:
    prop = scenario(CUT)
    found = done(prop, CertificateBound(load_alphabet("small"), 1))
    read = [sum(f.startswith("FrameRead") for f in row.frames) for row in found.rows]
    written = [sum(f.startswith("FrameWritten") for f in row.frames) for row in found.rows]
    assert read[0] > written[0], "the cut connection has an answer that is not written"
    assert (found.verdict, found.hollow) == ("valid", 0)
    assert [*differences("\n".join(found.listed()))] == []


def test_the_second_fault_goes_where_the_first_one_leads(tmp_path: Path) -> None:
    found = done(scenario(ONE), bound(tmp_path, "faults: [drop]", 2))
    ordinals = [
        [(letter["drop"]["nth"], letter["drop"]["at"]) for letter in row.placement]
        for row in found.rows
        if len(row.placement) == 2
    ]
    retried = [(2, "request"), (2, "response")]  # the retry, which the first drop made
    assert ordinals == [[(1, at), second] for at in ("request", "response") for second in retried]


def test_the_processes_that_share_the_work_change_nothing(tmp_path: Path) -> None:
    tried = bound(tmp_path, "faults: [drop, duplicate]", 2)
    alone, shared = (done(scenario(ONE), tried, jobs) for jobs in (1, 2))
    assert alone.rows == shared.rows
    assert page(alone) == page(shared)


def test_a_violation_ends_it_with_the_smallest_placement() -> None:
    with MUTANTS["acknowledges-before-the-answer"].applied():
        found = done(scenario(ONE), CertificateBound(load_alphabet("small"), 2))
    assert found.verdict == "invalid"
    assert len(found.rows[-1].placement) == 1
    assert found.counterexample is not None
    assert found.counterexample.result.broken
    assert len(found.counterexample.data["faults"]) == 1
    assert claim(found).startswith("A placement of 1 letter")


def test_two_faults_are_tried_when_one_breaks_nothing() -> None:
    with MUTANTS["forgets-open-attempts"].applied():
        found = done(scenario(ONE), CertificateBound(load_alphabet("small"), 2))
    assert found.verdict == "invalid"
    assert len(found.rows[-1].placement) == 2


def test_connects_and_steps_are_letters(tmp_path: Path) -> None:
    found = done(scenario(CLUSTER), bound(tmp_path, LETTERS, 2))
    alone = Counter(kinds(row)[0] for row in found.rows if len(row.placement) == 1)
    assert alone == {"before": 4, "refuse": 1, "drop": 1}  # two lists of steps, before and behind
    refused = next(row for row in found.rows if kinds(row) == ["refuse"])
    assert refused.placement == ({"refuse": {"server": "spu:0", "how": "rst", "nth": 1}},)
    assert refused.fired == 1
    moved = {
        row.placement[1]["refuse"]["server"]
        for row in found.rows
        if kinds(row)[:2] == ["before", "refuse"]
    }
    assert moved == {"spu:0", "spu:1"}
    assert not found.hollow


def test_steps_that_a_scenario_cannot_have_are_no_letters(tmp_path: Path) -> None:
    tried = bound(tmp_path, LETTERS, 1)
    assert len(Placing.of(scenario(CLUSTER).data, tried.letters).alphabet.steps) == 2
    assert len(Placing.of(scenario(MOST).data, tried.letters).alphabet.steps) == 1


def test_the_page_names_the_letters_that_a_scenario_cannot_have(tmp_path: Path) -> None:
    words = "cannot have, which were not placed: `move_leader: {to: 1}`, `sleep: 1s`\n"
    assert words in page(done(scenario(MOST), bound(tmp_path, LETTERS, 1)))
    assert "cannot have" not in page(done(scenario(CLUSTER), bound(tmp_path, LETTERS, 1)))


def test_all_apis_have_greetings_too(tmp_path: Path) -> None:
    few = done(scenario(MOST), bound(tmp_path, "faults: [drop]", 1))
    all_apis = done(scenario(MOST), bound(tmp_path, "faults: [drop]", 1, all_apis=True))
    apis = {row.placement[0]["drop"]["match"].get("api", "produce") for row in all_apis.rows[1:]}
    assert apis == {"produce", "api-versions"}
    assert len(all_apis.rows) > len(few.rows)


def test_each_schedule_repeats_each_placement(tmp_path: Path) -> None:
    found = done(scenario(MOST), bound(tmp_path, "faults: [drop]", 1, schedules=3))
    assert Counter(row.seed for row in found.rows) == {0: 3, 1: 3, 2: 3}


def test_it_refuses_where_there_is_nothing_to_place() -> None:
    hollow = MOST.replace("{count: 1, wait: true}", "{count: 1}")
    with pytest.raises(NothingToPlaceError):
        done(scenario(hollow), CertificateBound(load_alphabet("small"), 2))


def test_rows_of_an_earlier_run_are_not_run_again(tmp_path: Path) -> None:
    tried = bound(tmp_path, "faults: [drop]", 1)
    first = done(scenario(MOST), tried)
    kept = replace(first.rows[1], outcomes=("kept",))
    with WorkerPool(1) as pool:
        again = certify(scenario(MOST), tried, pool=pool, known=[kept])
    assert [row.outcomes for row in again.rows] == [
        first.rows[0].outcomes,
        ("kept",),
        first.rows[2].outcomes,
    ]


# --- the page


def test_the_page_names_its_bound_its_denominators_and_what_it_does_not_cover() -> None:
    found = done(scenario(MOST), CertificateBound(load_alphabet("small"), 2))
    text = page(found)
    assert "No placement of up to 2 letters of the alphabet `small`" in text
    assert "| runs | 45 |" in text
    assert "the kinds `corrupt`, `forge` and `refuse`" in text
    assert found.digest in text
    assert "| up to 2 of `small` | 44 | 45 | 45 | 0 | 0 | 0 |" in index([("mine.md", found)])


def test_the_hash_covers_what_each_placement_did() -> None:
    found = done(scenario(MOST), CertificateBound(load_alphabet("small"), 1))
    other = replace(found, rows=[*found.rows[:-1], replace(found.rows[-1], outcomes=("ok",))])
    assert other.digest != found.digest
    assert replace(found, rows=found.rows[::-1]).digest == found.digest


# --- the second pair of eyes


@pytest.mark.parametrize(
    ("text", "letters", "all_apis"),
    [
        (
            ONE,
            "faults: [drop, {error: {code: StorageError}}, corrupt, {forge: {what: topic}}]",
            False,
        ),
        (CLUSTER, LETTERS, False),
        (MOST, "faults: [drop, {disconnect: {how: half-close, after_bytes: 3}}]", True),
        (TWO, MATCHING, False),
    ],
)
def test_the_recheck_finds_the_same(
    tmp_path: Path, text: str, letters: str, all_apis: bool
) -> None:
    found = done(scenario(text), bound(tmp_path, letters, 2, all_apis=all_apis))
    assert list(differences("\n".join(found.listed()))) == []


def test_the_recheck_misses_a_placement_that_is_left_out(tmp_path: Path) -> None:
    header, *rows = done(scenario(ONE), bound(tmp_path, "faults: [drop]", 2)).listed()
    for n, row in enumerate(rows[1:], 1):
        [line] = list(differences("\n".join([header, *rows[:n], *rows[n + 1 :]])))[:1]
        assert "is not in the list" in line, row


def test_the_recheck_misses_the_run_without_faults(tmp_path: Path) -> None:
    header, *rows = done(scenario(MOST), bound(tmp_path, "faults: [drop]", 1, schedules=2)).listed()
    missing = ["[0, []] is not in the list", "[1, []] is not in the list"]
    assert list(differences(header)) == missing
    assert set(differences("\n".join([header, *rows[1:]]))) >= {missing[0]}


def test_the_recheck_notices_a_row_that_is_false(tmp_path: Path) -> None:
    header, *rows = done(scenario(MOST), bound(tmp_path, "faults: [drop]", 1)).listed()
    false = json.dumps({**json.loads(rows[1]), "outcomes": ["ok", "ok"]})
    assert any(
        "differs" in line for line in differences("\n".join([header, rows[0], false, rows[2]]))
    )


@pytest.mark.parametrize(("left_out", "code"), [(0, 0), (1, "is not in the list")])
def test_the_recheck_says_what_is_wrong_in_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_out: int, code: object
) -> None:
    lines = [*done(scenario(MOST), bound(tmp_path, "faults: [drop]", 1)).listed()]
    path = tmp_path / "list.jsonl"
    path.write_text("\n".join(lines[: len(lines) - left_out]), encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["recheck", str(path)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(recheck.__file__, run_name="__main__")
    assert ended.value.code == code or str(ended.value.code).endswith(str(code))


# --- alphabets


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[]", "is no alphabet"),
        ("{}", "no letter; write faults or steps"),
        ("faults: [{drop: {nth: 1}}]", "a letter has no nth, which its placement decides"),
        ("faults: [{error: {code: MessageTooLarge}}]", "at: response allows only codes"),
        ("steps: [[]]", "steps"),
    ],
)
def test_the_mistakes_of_an_alphabet_are_named(tmp_path: Path, text: str, line: str) -> None:
    path = tmp_path / "letters.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AlphabetError, match=line):
        load_alphabet(str(path))
