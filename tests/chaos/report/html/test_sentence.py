"""The sentence of a page names the cause: what each attempt met, and what the client reported."""

from typing import Any

import pytest

from chaos.history import History
from chaos.oracle.evidence import Evidence
from chaos.oracle.judge import judge
from chaos.report.html.sentence import sentences_of
from chaos.report.html.subject import subject_of
from chaos.report.narrative import Narrator
from tests.chaos.report.html.pages import RETRY, played

LEAST, MOST = "at-least-once", "at-most-once"


def headline(history: History) -> str:
    evidence = Evidence(history)
    narrator = Narrator(evidence)
    subject = subject_of(evidence, judge(history), narrator)
    return sentences_of(evidence, narrator, subject).headline


def under(*faults: Any, semantic: str = LEAST, **changes: Any) -> str:
    producer = {"delivery_semantic": semantic, "retry": RETRY, **changes.pop("producer", {})}
    data = {"faults": list(faults), "producer": producer, **changes}
    return headline(played(data))


@pytest.mark.parametrize(
    ("fault", "fate"),
    [
        ({"drop": {"at": "request"}}, "was dropped before the SPU applied it"),
        ({"drop": {"at": "response"}}, "was applied, but its answer was dropped"),
        ({"disconnect": {"at": "request"}}, "was reset before the SPU applied it"),
        (
            {"disconnect": {"at": "request", "how": "fin"}},
            "was closed before the SPU applied it",
        ),
        (
            {"disconnect": {"at": "request", "how": "half-close"}},
            "was applied, but its connection was half-closed before the answer",
        ),
        (
            {"disconnect": {"at": "response", "how": "fin"}},
            "was applied, but its connection was closed before the answer",
        ),
        ({"stall": {"at": "request"}}, "was stalled before the SPU applied it"),
        (
            {"stall": {"at": "response"}},
            "was applied, but its connection was stalled before the answer",
        ),
        (
            {"error": {"at": "request", "code": "StorageError"}},
            "was refused with StorageError",
        ),
        (
            {"error": {"at": "response", "code": "RequestTimedOut"}},
            "was applied, but its answer was RequestTimedOut",
        ),
        (
            {"forge": {"at": "response", "what": "offset"}},
            "was applied, but its answer was forged",
        ),
        (
            {"duplicate": {"at": "request"}},
            "was applied, but the network delivered its request twice",
        ),
        ({"corrupt": {"at": "response"}}, "was applied, but its answer was altered"),
        ({"delay": {"at": "response", "by": "3s"}}, "was stored and answered, 3 s late"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else next(iter(value)),
)
def test_the_fate_of_an_attempt_is_the_effect_of_the_fault(
    fault: dict[str, Any], fate: str
) -> None:
    ((kind, fields),) = fault.items()
    sentence = under({kind: {**fields, "nth": 1}}, semantic=MOST, workload=["send", "wait"])
    assert f"its only attempt {fate}, and the client reported it as" in sentence


def test_attempts_with_one_fate_are_one_part_of_the_sentence() -> None:
    assert under({"drop": {"at": "request"}}) == (
        "record 0 is not stored: each of its 6 attempts was dropped before the SPU applied it, and "
        "the client gave up after 6 of 6 attempts"
    )
    faults = {"drop": {"at": "request", "nth": [1, 2]}}, {"drop": {"at": "response", "nth": 3}}
    assert under(*faults).startswith(
        "record 0 is stored 2 times: each of attempts 1 to 2 was dropped before the SPU applied "
        "it, attempt 3 was applied, but its answer was dropped, attempt 4 was stored and "
        "answered, and "
    )


def test_many_changes_of_fate_are_counted() -> None:
    faults = (
        {"drop": {"at": "request", "nth": [1, 3, 5]}},
        {"error": {"at": "request", "code": "StorageError", "nth": [2, 4]}},
    )
    assert ", 2 more changes, attempt 6 was stored and answered, and " in under(*faults)


def test_a_record_without_a_request_names_what_stood_in_its_way() -> None:
    refuse = {"refuse": {"server": "spu", "how": "refuse"}}
    retry = {**RETRY, "max_retries": 1}
    assert under(refuse, producer={"retry": retry}) == (
        "record 0 is not stored: no request with it reached an SPU (spu:0 refuses connections by "
        "fault refuse-1), and the client gave up after 0 of 2 attempts"
    )


def test_a_record_that_was_not_accepted_says_so() -> None:
    data = {"size": 2_000_000}
    sentence = under(workload=[{"send": data}, "flush"], producer={"max_request_size": 10_000})
    assert sentence.startswith("record 0 is not stored: no request with it reached an SPU, and ")
