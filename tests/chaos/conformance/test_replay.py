"""The replay: the recorded client against the simulator, in virtual time."""

from functools import partial
from typing import Any

import pytest

from chaos.conformance.compare import Difference, compared
from chaos.conformance.fields import belongs_to
from chaos.conformance.recording import RecordedEvent, Recording, What
from chaos.conformance.replay import ANSWER_S, SESSION_S, SETTLE_S, replay_session
from chaos.conformance.setup import SessionSetup
from simulator import Config
from simulator.faults.kinds.drop import Drop
from tests.chaos.conformance.recordings import load
from tests.simulator.client import batch, produce_request
from wire.api import FETCH, PRODUCE, Api
from wire.api.fetch import FetchedPartition, FetchPartition, FetchRequest, FetchTopic
from wire.batch import decode_batch
from wire.codec import decode
from wire.connection import ClientConnection
from wire.framing import LENGTH_BYTES
from wire.record_set import iter_batches

OWN = belongs_to(["greetings"])
SETUP = SessionSetup.model_validate(
    {"topics": [{"name": "greetings", "partitions": [{"leader": 1, "records": [["k", "r0"]]}]}]}
)


class Script:
    """Writes a recording: what a client did on one connection to SPU 1."""

    def __init__(self) -> None:
        self.client = ClientConnection()
        self.events = [RecordedEvent(7.0, 1, "spu1", What.OPEN)]

    def add(self, at: float, what: What, frame: bytes = b"") -> None:
        self.events.append(RecordedEvent(at, 1, "spu1", what, frame))

    def ask(self, at: float, api: Api[Any, Any], request: Any, *, answered: bool = True) -> None:
        """Add a request, and an answer that has nothing but its correlation id."""
        number, frame = self.client.request(api, request, api.max_version)
        self.add(at, What.REQUEST, frame[LENGTH_BYTES:])
        if answered:
            self.add(at, What.ANSWER, number.to_bytes(4, "big"))

    def recording(self) -> Recording:
        return Recording("script", self.events)


def fetch_all() -> FetchRequest:
    partition = FetchPartition(partition_index=0, fetch_offset=0, max_bytes=1 << 20)
    topic = FetchTopic(name="greetings", partitions=[partition])
    return FetchRequest(topics=[topic], max_bytes=1 << 20)


def answers(recording: Recording, api: Api[Any, Any]) -> list[Any]:
    return [
        decode(api.response, body, exchange.header.api_version)
        for exchange in recording.exchanges().values()
        if exchange.api is api
        for body in exchange.answers
    ]


def values(partition: FetchedPartition) -> list[bytes]:
    found = []
    for _, data in iter_batches(partition.records):
        found += [record.value for record in decode_batch(data)[1]]
    return found


# --- hanging


@pytest.fixture
def no_fetch_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the simulator drop every fetch request."""
    drop = Drop.model_validate({"name": "drop", "at": "request", "match": {"api": "fetch"}})
    monkeypatch.setattr("chaos.conformance.replay.Config", partial(Config, faults=[drop]))


@pytest.mark.usefixtures("no_fetch_is_answered")
def test_an_answer_that_never_comes_is_waited_for_once() -> None:
    script = Script()
    script.ask(8.0, FETCH, fetch_all())
    script.ask(8.5, FETCH, fetch_all())
    script.add(9.0, What.CLIENT_FIN)
    recording = script.recording()
    again = replay_session(recording, SETUP)
    (end,) = [event for event in again.events if event.what is What.CLIENT_FIN]
    assert end.at == pytest.approx(2.0 + 2 * ANSWER_S, abs=0.1)
    first, second = [each for each in compared(recording, again, OWN) if each.unexcused]
    assert first.api == second.api == "fetch"
    assert first.unexcused == [Difference(("answer",), "an answer", "nothing")]


@pytest.mark.usefixtures("no_fetch_is_answered")
def test_a_session_that_hangs_ends_within_a_bound_of_virtual_time() -> None:
    script = Script()
    for second in range(20):
        script.ask(8.0 + second, FETCH, fetch_all())
    script.add(30.0, What.CLIENT_FIN)
    recording = script.recording()
    again = replay_session(recording, SETUP)
    requests = [event for event in again.events if event.what is What.REQUEST]
    assert 1 < len(requests) < 20
    assert again.events[-1].at <= 23.0 + SESSION_S
    assert again.events[-1].at + ANSWER_S >= 23.0 + SESSION_S
    found = [each for each in compared(recording, again, OWN) if each.unexcused]
    assert [each.number for each in found] == [*range(1, 21)]


# --- the order and the time


def test_a_request_waits_for_the_answers_that_the_recording_has_before_it() -> None:
    recording, _ = load("produce-options")
    again = replay_session(recording, SessionSetup())
    due: dict[int, int] = {}
    seen: dict[int, int] = {}
    sent = iter([event for event in again.events if event.what in (What.REQUEST, What.ANSWER)])
    for event in recording.events:
        if event.what is What.ANSWER and event.connection > 1:
            due[event.connection] = due.get(event.connection, 0) + 1
        elif event.what is What.REQUEST:
            for other in sent:
                if other.what is What.REQUEST:
                    assert other.frame == event.frame
                    break
                seen[other.connection] = seen.get(other.connection, 0) + 1
            assert seen.get(event.connection, 0) >= due.get(event.connection, 0)


def test_a_client_waits_for_the_pushes_that_the_recording_has_by_then() -> None:
    script = Script()
    script.ask(8.0, FETCH, fetch_all())
    script.add(8.1, What.ANSWER, (1).to_bytes(4, "big"))  # which never comes
    script.add(8.2, What.CLIENT_RESET)
    again = replay_session(script.recording(), SETUP)
    assert again.events[-1].at == pytest.approx(1.2 + ANSWER_S + SETTLE_S, abs=0.1)


def test_a_client_waits_for_the_first_answer_to_a_watch_and_not_for_news() -> None:
    recording, _ = load("official-rst-5")
    times = [event.at for event in recording.events if event.what is What.REQUEST]
    again = replay_session(recording, SessionSetup())
    sent = [event.at for event in again.events if event.what is What.REQUEST]
    assert sent == pytest.approx([at - recording.events[0].at for at in times], abs=0.01)


def test_what_happens_keeps_the_distances_of_the_recording() -> None:
    script = Script()
    script.ask(8.5, FETCH, fetch_all())
    script.ask(60.0, FETCH, fetch_all())
    script.add(70.0, What.CLIENT_RESET)
    again = replay_session(script.recording(), SETUP)
    times = [event.at for event in again.events if event.what is not What.ANSWER]
    assert times == pytest.approx([0.0, 1.5, 53.0, 63.0], abs=0.01)


def test_a_replay_is_the_same_each_time() -> None:
    recording, _ = load("admin")
    assert replay_session(recording, SessionSetup()) == replay_session(recording, SessionSetup())


def test_late_news_are_waited_for_where_the_recording_has_some() -> None:
    recording, _ = load("admin-watch")
    again = replay_session(recording, SessionSetup())
    (end,) = [event for event in again.events if event.what is What.CLIENT_FIN]
    length = recording.events[-1].at - recording.events[0].at
    assert end.at == pytest.approx(length + SETTLE_S, abs=0.1)


# --- the setup


def test_records_lie_where_the_setup_says_and_others_produce_meanwhile() -> None:
    script = Script()
    script.ask(8.0, FETCH, fetch_all())
    script.ask(9.0, PRODUCE, produce_request(("greetings", 0, batch(b"mine"))))
    script.ask(12.0, FETCH, fetch_all())
    late = {"topic": "greetings", "records": [[None, "late"]]}
    beside = {"beside": [{"at": "10s", "produce": late}]}
    setup = SessionSetup.model_validate({**SETUP.to_data(), **beside})
    again = replay_session(script.recording(), setup)
    first, second = [answer.topics[0].partitions[0] for answer in answers(again, FETCH)]
    assert values(first) == [b"r0"]
    assert values(second) == [b"r0", b"mine", b"late"]


def test_topics_come_and_go_as_the_setup_says() -> None:
    script = Script()
    for at in (8.0, 10.0, 12.0):
        script.ask(at, FETCH, fetch_all())
    greetings = {"name": "greetings", "partitions": [{"leader": 1}]}
    steps = [{"at": "9s", "create": greetings}, {"at": "11s", "delete": "greetings"}]
    again = replay_session(script.recording(), SessionSetup.model_validate({"beside": steps}))
    codes = [a.topics[0].partitions[0].error_code.name for a in answers(again, FETCH)]
    assert codes == ["NOT_LEADER_FOR_PARTITION", "NONE", "NOT_LEADER_FOR_PARTITION"]


def test_the_end_of_a_connection_by_the_simulator_is_in_the_replay() -> None:
    script = Script()
    script.add(8.0, What.REQUEST, bytes.fromhex("7fff 0000 00000001 0000"))
    script.add(9.0, What.CLIENT_FIN)
    again = replay_session(script.recording(), SETUP)
    assert again.server_ended_first() == {1}
