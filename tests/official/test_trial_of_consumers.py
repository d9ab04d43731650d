"""The official client consumes on trial: what it is delivered, and what the judge says of it."""

from pathlib import Path
from typing import Any

import pytest

from chaos.cli.trial import FOLDER
from chaos.consumption import OffsetStored, RecordsConsumed
from chaos.drivers.kinds.official import open_official
from chaos.history import History
from chaos.oracle.evidence import Evidence
from chaos.oracle.judge import Result, judge
from chaos.runner import run_scenario
from chaos.search.known import load_known, sorted_out
from chaos.spec.loader import load_scenario_file
from chaos.spec.scenario import Scenario
from simulator.events import FaultHit

pytestmark = pytest.mark.official

SENT = [{"send": {"count": 6, "keys": 3, "wait": True}}]
MATCH = {"api": "stream-fetch", "client_id": "consumer-a"}


def ran(*consume: Any, **more: Any) -> History:
    """What comes of a run in which the official client consumes."""
    steps = [*SENT, *({"consume": {"within": "10s", **terms}} for terms in consume)]
    data = {"name": "x", "worlds": ["tcp"], "workload": steps, **more}
    return run_scenario(Scenario.model_validate(data), "tcp", open_official)


def read(history: History, n: int) -> list[int]:
    """The offsets that a consumption was delivered."""
    return [
        offset
        for event in history.events
        if isinstance(event, RecordsConsumed) and event.consumption == n
        for offset in event.offsets
    ]


def judged_so(result: Result) -> tuple[str, list[str]]:
    """The verdict, and what ``read-what-is-stored`` says."""
    (finding,) = [each for each in result.findings if each.check == "read-what-is-stored"]
    return result.verdict, [each.text for each in finding.violations]


def test_it_reads_from_where_it_is_to_begin_and_resumes_behind_what_it_stored() -> None:
    history = ran(
        {},
        {"start": "beginning", "offset": 4},
        {"start": "end", "offset": 2},
        {"start": "absolute", "offset": 3, "count": 2},
        {"consumer_id": "payments", "count": 2},
        {"consumer_id": "payments", "isolation": "read-committed"},
    )
    assert judged_so(judge(history)) == ("valid", [])
    expected = [range(6), range(4, 6), range(4, 6), range(3, 5), range(2), range(2, 6)]
    assert [read(history, n) for n in range(6)] == [[*offsets] for offsets in expected]
    stored = [e.offset for e in history.events if isinstance(e, OffsetStored)]
    assert stored == [*range(6)]
    assert {each.isolation for each in history.consumptions} == {"read-uncommitted"}
    (sentence,) = history.not_applicable
    assert sentence.startswith("isolation of consumers: ")


def test_all_partitions_are_read_and_what_strikes_a_consumer_is_not_the_producers() -> None:
    fault = {"disconnect": {"at": "response", "how": "rst", "nth": 1, "limit": 1, "match": MATCH}}
    history = ran({"count": 6}, topic={"partitions": 2}, faults=[fault])
    assert judged_so(judge(history)) == ("valid", [])
    assert sorted(each.partition for each in history.consumptions if not each.final) == [0, 1]
    assert len(read(history, 0)) + len(read(history, 1)) == 6
    evidence = Evidence(history)
    assert [hit.kind for hit in evidence.consumers.hits[0]] == ["disconnect"]
    assert not evidence.events_of(FaultHit)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("consume-batch-that-does-not-fit", "was delivered 0@0 and next 0@2"),
        ("consume-connection-lost", "although everything before 0@3 was committed"),
    ],
)
def test_the_judge_sees_what_it_leaves_out(name: str, sentence: str) -> None:
    file = Path(__file__).parents[2] / FOLDER / f"{name}.yaml"
    history = run_scenario(load_scenario_file(file).scenario(), "tcp", open_official)
    result = judge(history)
    assert [finding.check for finding in result.broken] == ["read-what-is-stored"]
    (said,) = judged_so(result)[1]
    assert sentence in said


def test_an_error_code_looks_like_the_end_too() -> None:
    code = {"at": "response", "code": "StorageError", "nth": 1, "match": MATCH}
    history = ran({}, faults=[{"error": code}])
    known = load_known(Path(__file__).parents[2] / FOLDER / "known.fluvio.yaml")
    unknown, names = sorted_out(known, history, judge(history))
    assert unknown == ()
    assert names == ("a consumer that is to end takes an error code for the end",)


def test_a_lost_response_is_awaited_until_the_time_is_over() -> None:
    fault = {"drop": {"at": "response", "nth": 1, "match": MATCH}}
    history = ran({"within": "800ms"}, faults=[fault])
    assert [(each.end, each.final) for each in history.consumptions] == [
        ("bound", False),
        ("end", True),
    ]
    assert judged_so(judge(history)) == ("valid", [])
