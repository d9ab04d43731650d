"""``story.html``: what it says, what it holds at most, and that texts of a run are never markup."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from chaos.history import History
from chaos.mutants import MUTANTS
from chaos.oracle.judge import judge
from chaos.report.html.story import story_html
from chaos.runner import run_scenario
from chaos.search.counterexample import nearest_passing
from tests.chaos.report.html.pages import GIVES_UP_EARLY, RETRY, Page, assert_sound, played

HOSTILE = "</text><script>alert(1)</script>\x1b[31m\u202eltr\u200f&amp;"
SMALL_BYTES, BYTES_MAX = 60_000, 300_000


@contextmanager
def early() -> Iterator[None]:
    """Make the producer give up early, also in runs that the search makes."""
    with MUTANTS["gives-up-early"].applied():
        yield


def story(history: History, passing: History | None = None) -> Page:
    text = story_html(history, judge(history), passing)
    assert len(text.encode()) <= BYTES_MAX
    return assert_sound(text)


def failing() -> tuple[History, History]:
    with early():
        history = played(GIVES_UP_EARLY)
        passing = nearest_passing(history)
    assert passing is not None
    return history, passing


def test_a_sentence_names_the_cause_and_the_promise_follows_in_words() -> None:
    page = story(*failing())
    assert page.one("h1").text == (
        "Record 1 was lost: the client gave up after 1 of 2 attempts; its only attempt was reset "
        "before the SPU applied it."
    )
    assert page.one("span", "verdict").text == "invalid"
    promises = [p.text for p in page.all("p") if p.text.startswith("Broken promise")]
    assert promises == [
        "Broken promise no-loss: At-least-once: a record is not given up before its retry policy "
        "is used up."
    ]


def test_the_diagram_stands_beside_the_nearest_passing_run() -> None:
    page = story(*failing())
    this, other = page.all("figure")
    assert "reset: cut-the-wire" in this.text
    assert "missing" in this.text
    assert "the same scenario without fault cut-the-wire" in other.text
    assert "cut-the-wire" not in other.text.replace("without fault cut-the-wire", "")
    for figure in (this, other):
        assert figure.text.count("first difference") == 1
        for lane in ("caller", "client", "connection", "spu:0", "log"):
            assert lane in figure.text


def test_the_narrative_is_the_text_of_the_diagram() -> None:
    page = story(*failing())
    this, other = page.all("ol", "words")
    assert "connection 2 reset by fault cut-the-wire before the request was applied" in this.text
    assert "in the end: stored at greetings/0@1" in other.text


def test_scenario_command_and_events_are_on_the_page() -> None:
    history, passing = failing()
    history.about = {"command": "python -m chaos replay runs/x/scenario.yaml"}
    texts = [pre.text for pre in story(history, passing).all("pre")]
    assert "python -m chaos replay runs/x/scenario.yaml" in texts
    assert any("workload:\n  - send: {count: 3, wait: true}" in text for text in texts)
    assert any("FaultHit connection=2" in text for text in texts)
    assert "grep -E '\"connection\": (2)[,}]' history.jsonl" in texts


def test_records_of_one_kind_share_a_page_and_the_others_are_listed() -> None:
    data = {**GIVES_UP_EARLY, "faults": [{"disconnect": {"at": "request", "nth": 1}}]}
    data["workload"] = [{"send_all": {"count": 3}}, "flush"]
    page = story(played(data, "gives-up-early"))
    assert any(p.text == "The same happened to 2 more: records 1, 2." for p in page.all("p"))


def test_a_probe_and_the_changes_of_the_cluster_before_it_are_shown() -> None:
    moves = [{"move_leader": {"to": 1}}, "send", {"sleep": "2s"}, {"move_leader": {"to": 0}}]
    page = story(played({"cluster": {"spus": 2}, "workload": moves}, "never-returns-to-the-sc"))
    assert any(p.text.startswith("A probe is a record that the harness") for p in page.all("p"))
    (diagram,) = page.all("svg")
    assert "the leader of greetings/0 moved to spu:0" in diagram.text
    assert "all faults lifted" in diagram.text
    assert "probe 1" in diagram.text
    assert "record 1" not in diagram.text
    events = page.one("pre", "events").text
    assert "LeaderMoved topic=greetings partition=0 spu=0" in events
    assert "Healed" in events


def test_the_page_of_a_broken_order_explains_the_record_that_was_passed() -> None:
    stall = {"stall": {"at": "request", "nth": 1}}
    producer = {"batch_size": 1, "batch_queue_size": 1}
    data = {"faults": [stall], "producer": producer, "workload": [{"send": {"count": 2}}, "flush"]}
    page = story(played(data, "two-requests-in-flight"))
    first, second = (p.text for p in page.all("p", "cause"))
    assert first.startswith("Record 0: attempt 1 was stalled before the SPU applied it, ")
    assert second.startswith("Record 1: its only attempt was stored and answered")
    assert page.all("h2")[0].text == "What happened to record 0"


def test_an_attempt_too_few_is_named_before_what_the_others_met() -> None:
    delay = {"delay": {"at": "request", "by": "50ms", "nth": 1}}
    retry = {"max_retries": 1, "timeout": "120ms"}
    page = story(played({"faults": [delay], "producer": {"retry": retry}}, "gives-up-early"))
    assert page.one("p", "cause").text == (
        "Record 0: the client gave up after 1 of 2 attempts; "
        "its only attempt was stored and answered, 50 ms late."
    )


def test_without_a_stored_passing_run_the_page_says_why_there_is_none() -> None:
    history, _ = failing()
    assert "No passing run is stored beside this history." in story(history).all("figure")[1].text
    history.about = {"client": "fluvio"}
    assert "a process of its own" in story(history).all("figure")[1].text
    history.world = "tcp"
    assert "runs over real sockets differ" in story(history).all("figure")[1].text


def test_a_valid_run_has_a_story_too() -> None:
    drop = {"drop": {"name": "lost-answer", "at": "response", "nth": 1}}
    page = story(played({"faults": [drop], "producer": {"retry": RETRY}}))
    assert page.one("h1").text == (
        "Record 0 is stored 2 times: attempt 1 was applied, but its answer was dropped, attempt 2 "
        "was stored and answered, and the client reported it as acknowledged: greetings/0@1."
    )
    assert len(page.all("figure")) == 1


def test_an_inconclusive_run_says_why() -> None:
    never = {"drop": {"name": "never", "at": "request", "nth": 90}}
    page = story(played({"faults": [never]}))
    assert any("fault never never struck" in p.text for p in page.all("p"))


def test_a_violation_that_names_no_record_is_the_sentence() -> None:
    page = story(played({"always": {"acknowledged": 5}, "workload": ["send", "flush"]}))
    assert page.one("h1").text == "Always: acknowledged 5, but it was 1."
    assert page.one("p", "cause").text.startswith("Record 0: its only attempt was stored and ")
    assert any("The violation names no record." in p.text for p in page.all("p"))


def test_a_run_without_records_has_a_page() -> None:
    page = story(played({"workload": [{"sleep": "1s"}]}))
    assert not page.all("ol")
    assert page.one("h1").text


def test_one_record_with_forty_attempts_stays_readable() -> None:
    retry = {**RETRY, "max_retries": 39, "strategy": "fixed-delay", "initial_delay": "100ms"}
    faults = [{"disconnect": {"at": "request"}}]
    history = played({"faults": faults, "producer": {"retry": retry}})
    page = story(history)
    assert page.one("h1").text == (
        "Record 0 is not stored: each of its 40 attempts was reset before the SPU applied it, and "
        "the client gave up after 40 of 40 attempts."
    )
    diagram, timeline = page.all("svg")
    height = int((diagram.attributes["viewbox"] or "").split()[3])
    assert height < 2_500
    assert "marks left out" in diagram.text
    assert len(page.all("rect", "real")) == 40
    assert len(page.all("tr")) == 41
    assert "policy ends at 10 s" in timeline.text


# --- limits, and texts that are no markup


def test_a_page_of_up_to_50_events_has_at_most_60_kb() -> None:
    history, passing = failing()
    assert len(history.events) < 90  # the greeting, the heal and the probe are among them
    assert len(story_html(history, judge(history), passing).encode()) < SMALL_BYTES


def test_the_same_history_gives_the_same_bytes_also_when_it_was_stored() -> None:
    history, passing = failing()
    result = judge(history)
    text = story_html(history, result, passing)
    again = History.loads(history.dumps()), History.loads(passing.dumps())
    assert story_html(again[0], judge(again[0]), again[1]) == text


def hostile(**changes: Any) -> History:
    faults = [{"disconnect": {"name": HOSTILE, "at": "request", "nth": 2}}]
    history = played(
        {**GIVES_UP_EARLY, "name": HOSTILE, "faults": faults, **changes}, "gives-up-early"
    )
    record = history.records[1]
    record.key, record.value = HOSTILE.encode(), b"<b>" * 21_846
    record.error = HOSTILE * 2_000
    history.about = {"file": HOSTILE, "command": HOSTILE, "client": HOSTILE}
    history.crash = HOSTILE * 2_000
    return history


def test_names_values_and_errors_are_text_and_never_markup() -> None:
    text = story_html(history := hostile(), judge(history))
    assert len(text.encode()) <= BYTES_MAX
    page = assert_sound(text)
    assert "alert(1)" in page.one("main").text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not page.all("script")
    assert not [e for e in page.all("b") if e.text.startswith("<b>")]


def test_a_large_run_stays_below_300_kb() -> None:
    data = {
        "topic": {"partitions": 40},
        "faults": [{"drop": {"at": "request", "probability": 0.5}}],
        "producer": {"retry": {**RETRY, "max_retries": 1}},
        "workload": [{"send_all": {"count": 2_000, "size": 500}}, "flush"],
    }
    story(played(data, "gives-up-early"))


@pytest.mark.parametrize(
    "fault",
    [
        {"delay": {"at": "response", "by": "3s", "nth": 1}},
        {"delay": {"at": "request", "by": "3s", "nth": 1}},
        {"duplicate": {"at": "request", "nth": 1}},
        {"duplicate": {"at": "response", "nth": 1}},
        {"corrupt": {"at": "request", "nth": 1}},
        {"stall": {"at": "request", "nth": 1}},
        {"stall": {"at": "response", "nth": 1}},
        {"disconnect": {"at": "response", "how": "half-close", "nth": 1}},
        {"disconnect": {"at": "request", "how": "half-close", "nth": 1}},
        {"disconnect": {"at": "response", "after_bytes": 9, "nth": 1}},
        {"error": {"at": "request", "code": "StorageError", "nth": 1}},
        {"error": {"at": "response", "code": "RequestTimedOut", "nth": 1}},
        {"forge": {"at": "response", "what": "offset", "nth": 1}},
        {"refuse": {"server": "spu", "how": "refuse", "between": ["0s", "2s"]}},
        {"refuse": {"server": "sc", "how": "hang", "between": ["0s", "2s"]}},
    ],
    ids=lambda fault: "-".join(map(str, (next(iter(fault)), *next(iter(fault.values())).values()))),
)
@pytest.mark.parametrize("semantic", ["at-least-once", "at-most-once"])
def test_every_kind_of_fault_has_a_story(fault: dict[str, Any], semantic: str) -> None:
    data = {
        "cluster": {"spus": 2},
        "topic": {"partitions": 2},
        "faults": [fault],
        "producer": {"delivery_semantic": semantic, "retry": RETRY},
        "workload": [{"send": {"count": 4}}, "flush", "send", "wait"],
    }
    page = story(played(data))
    (kind,) = fault
    if kind != "refuse":
        assert page.all("line", "fault") or page.all("circle", "fault")


def test_a_harness_that_failed_still_has_a_page() -> None:
    scenario = played({}).scenario
    history = run_scenario(scenario)
    history.defect = "it broke"
    assert any("the harness failed: it broke" in p.text for p in story(history).all("p"))
