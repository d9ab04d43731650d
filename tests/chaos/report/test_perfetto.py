"""Traces that ui.perfetto.dev and chrome://tracing open."""

import json
from collections import Counter
from typing import Any

from chaos.oracle.judge import judge
from chaos.report.perfetto import CONNECTIONS, RECORDS, RECORDS_MAX, SPUS, perfetto_trace
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario


def traced(**changes: Any) -> list[dict[str, Any]]:
    scenario = Scenario.model_validate(
        {
            "name": "a lost answer",
            "faults": [{"drop": {"at": "response", "nth": 1}}],
            "workload": ["send", "flush"],
            **changes,
        }
    )
    history = run_scenario(scenario)
    assert not judge(history).broken
    text = perfetto_trace(history)
    assert text == perfetto_trace(history)
    events: list[dict[str, Any]] = json.loads(text)["traceEvents"]
    return events


def test_every_event_has_what_its_phase_demands() -> None:
    for event in traced():
        assert {"ph", "pid", "name"} <= set(event)
        if event["ph"] != "M":
            assert isinstance(event["ts"], int)
        if event["ph"] == "X":
            assert event["dur"] >= 1
        if event["ph"] in "bestf" and event["ph"] != "X":
            assert "id" in event


def test_spans_begin_and_end_once_and_never_end_before_they_begin() -> None:
    begun: dict[tuple[Any, ...], int] = {}
    for event in traced():
        key = event.get("cat"), event.get("id"), event["name"]
        if event["ph"] == "b":
            assert key not in begun
            begun[key] = event["ts"]
        elif event["ph"] == "e":
            assert begun.pop(key) <= event["ts"]
    assert not begun


def test_arrows_lead_from_a_request_to_its_appends_and_its_answer() -> None:
    events = traced()
    phases: dict[int, list[str]] = {}
    for event in events:
        if event["ph"] in "stf":
            phases.setdefault(event["id"], []).append(event["ph"])
            track = event["pid"], event["tid"]
            slices = [e for e in events if e["ph"] == "X" and (e["pid"], e["tid"]) == track]
            assert any(e["ts"] <= event["ts"] <= e["ts"] + e["dur"] for e in slices)
    kinds = Counter("".join(found) for found in phases.values())
    assert kinds["st"] == 1  # the answer that was dropped
    assert kinds["stf"] >= 1
    assert all(kind.startswith("s") for kind in kinds)


def test_faults_are_instants_and_attempts_lie_within_their_record() -> None:
    events = traced()
    assert [e["name"] for e in events if e["ph"] == "i"] == [
        "! drop at response (drop-1)",
        "healed",
    ]
    spans = [e for e in events if e["pid"] == RECORDS and e["ph"] == "b" and e["id"] == "record 0"]
    assert [e["name"] for e in spans] == ["record 0", "attempt 1", "attempt 2"]
    appends = [e for e in events if e["pid"] == SPUS and e["ph"] == "X"]
    assert len(appends) == 3  # two copies, and the probe
    assert any(e["pid"] == CONNECTIONS and "open" in e["name"] for e in events)


def test_the_number_of_records_with_a_track_is_bounded() -> None:
    events = traced(workload=[{"send_all": {"count": RECORDS_MAX + 50}}, "flush"], faults=[])
    tracks = {e["id"] for e in events if e["pid"] == RECORDS and e["ph"] == "b"}
    assert len(tracks) == RECORDS_MAX


def test_a_call_that_ended_when_the_run_began_is_no_longer_than_that() -> None:
    scenario = {"name": "x", "workload": ["send", "flush"]}
    history = run_scenario(Scenario.model_validate(scenario))
    first = history.calls[0]
    first.started = first.ended = 0.0
    events = json.loads(perfetto_trace(history))["traceEvents"]
    [end] = [e for e in events if e["ph"] == "e" and e["id"] == f"call {first.n}"]
    assert end["ts"] == 0
