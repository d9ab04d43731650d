import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chaos.history  # registers the events of the client
from simulator.events import (
    EVENTS,
    PAYLOADS,
    Event,
    FaultHit,
    FrameRead,
    FrameWritten,
    Healed,
    ListenerClosed,
    SpuStopped,
    event_from,
)
from simulator.faults.effects import CutPoint
from simulator.journal import Journal
from simulator.reporting.console import LINE_CHARACTERS_MAX, Output, line_of

READ = FrameRead(
    t=1.2345678,
    connection=3,
    server="spu:0",
    api="produce",
    api_version=25,
    correlation_id=7,
    client_id="fluvio",
    topic="greetings",
    partition=1,
    size=61,
    transmission=9,
    carried=(("greetings", 1, b"\0\xff"),),
)


def hit(fault: str, kind: str, **more: object) -> FaultHit:
    fields_: dict[str, object] = {
        "connection": 3,
        "server": "spu:0",
        "api": "produce",
        "correlation_id": 7,
        "transmission": 9,
        "topic": "greetings",
        "partition": 1,
        "fault": fault,
        "kind": kind,
        "effects": (),
        "at": CutPoint.RESPONSE,
        "ordinal": 1,
    }
    return FaultHit(**{**fields_, **more})  # type: ignore[arg-type]  # the fields are FaultHit's


def test_events_are_numbered_and_stamped_in_the_order_of_happening() -> None:
    times = iter([0.5, 1.25])
    kept: list[Event] = []
    journal = Journal(lambda: next(times), [kept.append])
    for spu in (0, 1):
        journal.record(SpuStopped(spu=spu))
    assert kept == [SpuStopped(n=1, t=0.5, spu=0), SpuStopped(n=2, t=1.25, spu=1)]


def test_without_a_sink_nothing_is_made() -> None:
    journal = Journal(lambda: pytest.fail("the clock must not be read"), [])
    assert not journal.active
    journal.record(Healed())


def test_a_line_of_json_holds_what_applies_and_no_bytes_of_frames() -> None:
    assert json.loads(READ.to_json()) == {
        "n": 0,
        "t": 1.2345678,
        "event": "FrameRead",
        "connection": 3,
        "server": "spu:0",
        "api": "produce",
        "api_version": 25,
        "correlation_id": 7,
        "client_id": "fluvio",
        "topic": "greetings",
        "partition": 1,
        "size": 61,
        "transmission": 9,
    }


def test_the_bytes_of_a_frame_survive_when_they_are_asked_for() -> None:
    line = READ.to_json(payload=True)
    assert json.loads(line)["carried"] == [["greetings", 1, "AP8="]]
    assert event_from(json.loads(line)) == READ


def _values_of(annotation: Any) -> st.SearchStrategy[Any]:
    floats = st.floats(0, 1e6)
    if annotation == dict[str, Any]:
        return st.dictionaries(st.text(), st.integers() | st.text())
    return floats if annotation is float else st.from_type(annotation)


@given(st.data())
@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_event_is_read_back_as_it_was_written(name: str, data: st.DataObject) -> None:
    assert chaos.history.CLIENT_EVENTS
    cls = EVENTS[name]
    strategies = {f.name: _values_of(f.type) for f in fields(cls) if f.name not in PAYLOADS}
    made = cls(**{key: data.draw(strategy) for key, strategy in strategies.items()})
    assert event_from(json.loads(made.to_json(payload=True))) == made


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "unknown event None; known are "),
        ({"event": "Healedd"}, "unknown event 'Healedd'; known are "),
        ({"event": "SpuStopped", "n": 1, "t": 0.0}, "SpuStopped.spu: Field required"),
        ({"event": "SpuStopped", "spu": "x"}, "SpuStopped.spu: Input should be a valid integer"),
        ({"event": "Healed", "what": 1}, "Healed.what: "),
    ],
)
def test_what_is_no_event_is_named(data: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the text is compared below
        event_from(data)
    assert str(caught.value).startswith(message)


def test_a_frame_is_a_short_line_and_a_longer_one_if_asked() -> None:
    short = "     1.235  #3    spu:0  > produce id=7 greetings/1"
    assert line_of(READ) == short
    assert line_of(READ, verbose=True) == short + " v25 61 bytes fluvio"


def test_a_frame_that_was_cut_says_how_much_of_it_was_written() -> None:
    cut = FrameWritten(
        connection=3,
        server="sc",
        api="watch",
        correlation_id=7,
        transmission=9,
        size=5,
        frame_size=61,
    )
    assert line_of(cut).endswith("< watch id=7 5 bytes of 61")


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (hit("drop", "drop"), "! drop at response of produce id=7 greetings/1"),
        (hit("lost-ack", "drop"), "! lost-ack: drop at response of produce id=7 greetings/1"),
        (
            hit("delay", "delay", delay_s=0.05),
            "! delay 50.000ms at response of produce id=7 greetings/1",
        ),
        (
            hit("disconnect", "disconnect", how="fin", after_bytes=3),
            "! disconnect fin after 3 bytes at response of produce id=7 greetings/1",
        ),
        (
            hit("error", "error", code="Other", shadowed=True),
            "! error (shadowed) at response of produce id=7 greetings/1",
        ),
    ],
)
def test_a_hit_names_its_fault_unless_that_is_named_by_its_kind(event: Event, line: str) -> None:
    assert line_of(event).endswith(line)


def test_every_event_has_a_line() -> None:
    for name, cls in EVENTS.items():
        if cls.__module__ == "simulator.events":
            required: dict[str, Any] = {
                f.name: _example(f.name) for f in fields(cls) if f.name not in ("n", "t")
            }
            assert not line_of(cls(**required)).endswith(name)


def _example(field: str) -> object:
    texts = ("server", "api", "client_id", "topic", "fault", "kind", "how", "code", "error")
    return {
        "leaders": (0,),
        "definition": {"drop": {}},
        "at": CutPoint.REQUEST,
        "carried": (),
        "delay_s": 0.0,
    }.get(field, "x" if field in texts or field in ("by", "reason", "copied_by") else 1)


def test_names_of_peers_cannot_move_the_cursor_or_flood_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    evil = ListenerClosed(server="\x1b[2J[red]\nnext", fault="x" * 1000)
    output = Output(lambda error: pytest.fail(str(error)))
    output.event(evil)
    assert output.finish(30)
    assert not capsys.readouterr().out, "the first line is the one that says ready"
    output.begin("ready")
    output.event(evil)
    assert output.finish(30)
    _, line = capsys.readouterr().out.splitlines()
    assert "\\x1b[2J[red]\\nnext" in line
    assert len(line) == LINE_CHARACTERS_MAX
