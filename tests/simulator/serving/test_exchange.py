"""One connection without IO: every fault acted on, and every order in which things can happen."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from simulator.cluster.cluster import Cluster, topic_of
from simulator.events import (
    ClosedBy,
    CloseReason,
    ConnectionClosed,
    Event,
    FramePartlyRead,
    FrameWritten,
)
from simulator.faults.kinds.delay import Delay
from simulator.faults.kinds.disconnect import Disconnect
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.duplicate import Duplicate
from simulator.faults.kinds.error import Error
from simulator.faults.kinds.stall import Stall
from simulator.faults.model import Fault
from simulator.faults.plan import FaultPlan
from simulator.handlers import CommitWait, Pause
from simulator.journal import Journal
from simulator.serving.applying import AppliedExchanges, SimulatorState
from simulator.serving.connection_events import PARTLY_READ_BYTES_MAX
from simulator.serving.exchange import StreamAction
from simulator.serving.pending import Application, PendingAnswer, PendingEnd, PendingRequest
from simulator.serving.states import ReadingState, WritingState
from tests.simulator.client import batch, produce_request
from tests.simulator.scene import by
from wire.api import PRODUCE
from wire.codec import WireError
from wire.connection import ClientConnection

R, W = ReadingState, WritingState
INTERRUPT, SEND_FIN, RESET = StreamAction


def result_of(waiting: Generator[CommitWait | Pause, bool, Any]) -> Any:
    """What a generator returns that asks for no wait."""
    try:
        next(waiting)
    except StopIteration as end:
        return end.value
    raise AssertionError("nothing waits for a commit here")


class Scene:
    """An SPU's connection, whose requests and answers move when a test says so."""

    def __init__(self, *faults: Fault) -> None:
        self.cluster = Cluster()
        self.cluster.create_topic("greetings", topic_of(1))
        self.events: list[Event] = []
        ticks = count()
        journal = Journal(lambda: float(next(ticks)), [self.events.append])
        plan = FaultPlan(faults, 7)
        self.state = SimulatorState(
            plan, journal, lambda: 0.0, self.cluster, lambda: 0.0, self.called_at
        )
        self.exchanges = AppliedExchanges(
            self.state, 1, self.cluster.spus[0], self.pushed, self.called
        )
        self.client = ClientConnection("test")
        self.requests: deque[PendingRequest] = deque()
        self.answers: deque[PendingAnswer | PendingEnd] = deque()
        self.done: list[StreamAction] = []
        self.written = b""
        self.writes_fail = False

    def pushed(self, answer: PendingAnswer) -> None:
        raise AssertionError("a produce request has one answer")

    def called(self, function: Callable[[], None]) -> None:
        raise AssertionError("a produce request calls nothing later")

    def called_at(self, when: float, function: Callable[[], None]) -> None:
        raise AssertionError("a produce request calls nothing later")

    # --- what a client does

    def frame(self, value: bytes = b"a") -> bytes:
        request = produce_request(("greetings", 0, batch(value)))
        return self.client.request(PRODUCE, request, 25)[1]

    # --- what the task of a connection does

    def receive(self, *values: bytes) -> None:
        """Take in requests that arrive together; all of them are held."""
        self.requests += self.exchanges.receive(b"".join(map(self.frame, values)))

    def apply(self) -> None:
        """Do what is due for the next request."""
        for due in self.exchanges.due(self.requests.popleft()):
            if isinstance(due, PendingEnd):
                self.answers.append(due)
                continue
            try:
                self.answers.append(self.apply_once(due))
            except WireError as error:
                self.carry_out(self.exchanges.undecodable(error))
                return

    def apply_once(self, application: Application) -> PendingAnswer:
        response = self.exchanges.apply(application, 0.0)
        if isinstance(response, Generator):
            response = result_of(response)
        return self.exchanges.answered(application, response)

    def write(self) -> None:
        """Do what is due for the next answer."""
        item = self.answers.popleft()
        for action in self.exchanges.answer_due(item):
            if isinstance(action, bytes):
                assert isinstance(item, PendingAnswer)
                assert self.exchanges.writing is W.OPEN
                if self.writes_fail:
                    self.exchanges.write_failed()
                else:
                    self.written += action
                    self.exchanges.written(item, len(action))
            else:
                self.carry_out([action])
                if action is SEND_FIN and self.writes_fail:
                    return

    def carry_out(self, actions: Sequence[StreamAction] | Iterator[StreamAction]) -> None:
        self.done += actions

    def settle(self) -> None:
        """Apply and write everything that is on its way."""
        while self.requests:
            self.apply()
        while self.answers:
            self.write()

    # --- what came of it

    @property
    def stored(self) -> bytes:
        partition = self.cluster.partition("greetings", 0)
        assert partition is not None
        return b"".join(record.value for record in partition.log)

    @property
    def answered(self) -> list[int]:
        return [number for number, _ in self.client.receive(self.written)]

    @property
    def states(self) -> tuple[ReadingState, WritingState]:
        return self.exchanges.reading, self.exchanges.writing

    def closed(self) -> ConnectionClosed:
        self.exchanges.reader_ended()
        self.exchanges.closed()
        (closed,) = [event for event in self.events if isinstance(event, ConnectionClosed)]
        return closed


def test_without_faults_a_request_is_applied_and_answered() -> None:
    scene = Scene()
    scene.receive(b"a", b"b")
    assert (scene.stored, scene.states) == (b"", (R.RECEIVING, W.OPEN))
    scene.settle()
    assert (scene.stored, scene.answered, scene.done) == (b"ab", [1, 2], [])
    assert scene.state.journal.unanswered_records == 0
    assert list(scene.exchanges.receive(b"")) == []
    assert scene.states == (R.ENDED, W.OPEN)
    closed = scene.closed()
    assert (closed.by, closed.reason) == (ClosedBy.CLIENT, CloseReason.FIN)


def second(fault: Callable[..., Fault], at: str, **options: object) -> Fault:
    return fault(at=at, nth=(2,), **options)


@pytest.mark.parametrize(
    ("fault", "stored", "answered", "done", "states"),
    [
        (second(Delay, "request", by=by("1s")), b"abc", [1, 2, 3], [], (R.RECEIVING, W.OPEN)),
        (second(Drop, "request"), b"ac", [1, 3], [], (R.RECEIVING, W.OPEN)),
        (second(Drop, "response"), b"abc", [1, 3], [], (R.RECEIVING, W.OPEN)),
        (second(Duplicate, "request"), b"abbc", [1, 2, 2, 3], [], (R.RECEIVING, W.OPEN)),
        (second(Duplicate, "response"), b"abc", [1, 2, 2, 3], [], (R.RECEIVING, W.OPEN)),
        (second(Error, "request", code="NotLeaderForPartition"), b"ac", [1, 2, 3], [], None),
        (second(Error, "response", code="StorageError"), b"abc", [1, 2, 3], [], None),
        (second(Stall, "request"), b"a", [1], [], (R.STALLED, W.OPEN)),
        (second(Stall, "response"), b"abc", [1], [], (R.RECEIVING, W.SILENT)),
        (second(Disconnect, "request"), b"a", [1], [RESET], (R.ENDED, W.ENDED)),
        (second(Disconnect, "response"), b"abc", [1], [INTERRUPT, RESET], (R.ENDED, W.ENDED)),
        (
            second(Disconnect, "request", how="fin"),
            b"a",
            [1],
            [SEND_FIN],
            (R.DRAINING, W.ENDED),
        ),
        (
            second(Disconnect, "response", how="fin"),
            b"abc",
            [1],
            [SEND_FIN, INTERRUPT],
            (R.DRAINING, W.ENDED),
        ),
        (
            second(Disconnect, "request", how="half-close"),
            b"abc",
            [1],
            [SEND_FIN],
            (R.RECEIVING, W.ENDED),
        ),
        (
            second(Disconnect, "response", how="half-close"),
            b"abc",
            [1],
            [SEND_FIN],
            (R.RECEIVING, W.ENDED),
        ),
    ],
    ids=lambda part: f"{part.kind}-{part.at}" if hasattr(part, "kind") else "",
)
def test_what_a_fault_at_the_second_of_three_exchanges_does(
    fault: Fault,
    stored: bytes,
    answered: list[int],
    done: list[StreamAction],
    states: tuple[ReadingState, WritingState] | None,
) -> None:
    scene = Scene(fault)
    scene.receive(b"a", b"b", b"c")
    scene.settle()
    assert (scene.stored, scene.answered, scene.done) == (stored, answered, done)
    assert scene.states == (states or (R.RECEIVING, W.OPEN))


def test_a_delay_is_told_with_the_request_and_with_the_answer() -> None:
    scene = Scene(Delay(at="request", by=by("1s")), Delay(at="response", by=by("2s")))
    scene.receive(b"a")
    assert scene.requests[0].delay_s == 1.0
    scene.apply()
    answer = scene.answers[0]
    assert isinstance(answer, PendingAnswer)
    assert answer.delay_s == 2.0


def test_the_first_bytes_of_an_answer_leave_before_the_end() -> None:
    scene = Scene(Disconnect(at="response", after_bytes=5))
    scene.receive(b"a")
    scene.settle()
    assert len(scene.written) == 5
    (written,) = [event for event in scene.events if isinstance(event, FrameWritten)]
    assert (written.size, written.whole) == (5, False)
    assert scene.state.journal.unanswered_records == 1


def test_nothing_behind_a_request_that_ends_the_connection_is_read() -> None:
    scene = Scene(second(Disconnect, "request"))
    scene.receive(b"a", b"b", b"c")
    assert [request.transmission for request in scene.requests] == [1, 2]
    assert scene.state.transmissions == 2
    assert list(scene.exchanges.receive(scene.frame())) == []


def test_the_reader_is_interrupted_only_while_it_waits_for_input() -> None:
    scene = Scene()
    requests = scene.exchanges.receive(scene.frame(b"a") + scene.frame(b"b"))
    scene.requests.append(next(requests))
    assert scene.exchanges.reading is R.APPLYING
    assert list(scene.exchanges.cut(ClosedBy.SIMULATOR, CloseReason.HEALED)) == [RESET]
    assert list(requests) == []  # it notices by itself
    scene.settle()
    assert (scene.stored, scene.written) == (b"a", b"")


def test_a_connection_that_was_cut_is_cut_again_without_harm() -> None:
    scene = Scene()
    assert list(scene.exchanges.cut(ClosedBy.FAULT, CloseReason.RESET)) == [INTERRUPT, RESET]
    assert list(scene.exchanges.cut(ClosedBy.SIMULATOR, CloseReason.SPU_STOPPED)) == [RESET]
    assert scene.closed().reason is CloseReason.SPU_STOPPED


def test_what_came_before_input_that_is_no_request_is_applied() -> None:
    scene = Scene()
    scene.requests += scene.exchanges.receive(scene.frame(b"a") + b"\xff\xff\xff\xff")
    assert scene.states == (R.ENDED, W.OPEN)
    scene.settle()
    assert (scene.stored, scene.answered) == (b"a", [1])
    closed = scene.closed()
    assert (closed.by, closed.reason) == (ClosedBy.SIMULATOR, CloseReason.UNDECODABLE)
    assert str(closed.error).startswith("a frame of -1 bytes")


def test_what_comes_behind_a_request_without_meaning_is_not_applied() -> None:
    scene = Scene()
    scene.receive(b"a")
    nonsense = produce_request(("greetings", 0, b""), timeout_ms=-1)
    scene.requests += scene.exchanges.receive(scene.client.request(PRODUCE, nonsense, 25)[1])
    scene.receive(b"b")
    scene.settle()
    assert (scene.stored, scene.answered, scene.done) == (b"a", [1], [INTERRUPT])
    assert scene.states == (R.FAILED, W.OPEN)
    assert scene.closed().reason is CloseReason.UNDECODABLE


def test_a_frame_that_was_read_in_part_leaves_an_event_with_its_bytes() -> None:
    scene = Scene()
    frame = scene.frame()
    assert list(scene.exchanges.receive(frame[:9])) == []
    assert list(scene.exchanges.receive(b"")) == []
    scene.closed()
    (partly,) = [event for event in scene.events if isinstance(event, FramePartlyRead)]
    assert (partly.size, partly.api, partly.data) == (9, "produce", frame[:9])


def test_a_frame_that_came_in_two_parts_and_was_read_is_not_one_that_was_read_in_part() -> None:
    scene = Scene(Stall(at="request"))
    frame = scene.frame()
    assert list(scene.exchanges.receive(frame[:9])) == []
    assert len(list(scene.exchanges.receive(frame[9:]))) == 1
    scene.exchanges.reader_ended()
    assert not [event for event in scene.events if isinstance(event, FramePartlyRead)]


def test_the_api_of_a_frame_whose_key_did_not_arrive_is_not_known() -> None:
    scene = Scene()
    assert list(scene.exchanges.receive(scene.frame()[:5])) == []
    assert list(scene.exchanges.receive(b"")) == []
    scene.closed()
    (partly,) = [event for event in scene.events if isinstance(event, FramePartlyRead)]
    assert (partly.size, partly.api) == (5, None)


def test_the_event_of_a_long_frame_that_was_read_in_part_holds_its_first_bytes() -> None:
    scene, most = Scene(), PARTLY_READ_BYTES_MAX
    frame = scene.client.request(PRODUCE, produce_request(("greetings", 0, b"x" * 2 * most)), 25)[1]
    assert list(scene.exchanges.receive(frame[: most + 9])) == []
    assert list(scene.exchanges.receive(b"")) == []
    scene.closed()
    (partly,) = [event for event in scene.events if isinstance(event, FramePartlyRead)]
    assert (partly.size, bytes(partly.data)) == (most + 9, frame[:most])


def test_after_a_failed_write_nothing_is_written() -> None:
    scene = Scene(Duplicate(at="response", nth=(1,)))
    scene.receive(b"a", b"b")
    scene.writes_fail = True
    scene.settle()
    assert (scene.written, scene.states) == (b"", (R.RECEIVING, W.ENDED))
    assert (scene.stored, scene.state.journal.unanswered_records) == (b"ab", 2)


def test_a_copy_of_an_answer_acknowledges_nothing_new() -> None:
    scene = Scene(Duplicate(at="response"))
    scene.receive(b"a")
    scene.settle()
    assert (scene.answered, scene.state.journal.unanswered_records) == ([1, 1], 0)


def test_a_reset_comes_although_the_answer_before_it_cannot_be_written() -> None:
    scene = Scene(Disconnect(at="response", after_bytes=5))
    scene.receive(b"a")
    scene.writes_fail = True
    scene.settle()
    assert scene.done == [INTERRUPT, RESET]


def test_a_half_closed_connection_can_still_be_reset() -> None:
    scene = Scene(
        Disconnect(at="request", how="half-close", nth=(1,)), second(Disconnect, "request")
    )
    scene.receive(b"a", b"b", b"c")
    scene.settle()
    assert (scene.stored, scene.done) == (b"a", [SEND_FIN, RESET])
    assert scene.closed().reason is CloseReason.RESET


def test_a_late_end_drains_a_stalled_connection() -> None:
    scene = Scene(Disconnect(at="response", how="fin", nth=(1,)), second(Stall, "request"))
    scene.receive(b"a", b"b")
    assert scene.states == (R.STALLED, W.OPEN)
    scene.settle()
    assert (scene.done, scene.states) == ([SEND_FIN], (R.DRAINING, W.ENDED))
    scene.exchanges.drained()
    assert scene.states == (R.ENDED, W.ENDED)


def test_a_reset_by_the_client_counts_unless_the_connection_ended_before_it() -> None:
    scene = Scene()
    scene.exchanges.client_reset()
    assert scene.exchanges.reading is R.ENDED
    scene.exchanges.client_reset()
    assert scene.closed().by is ClosedBy.CLIENT
    cut = Scene()
    cut.carry_out(cut.exchanges.cut(ClosedBy.FAULT, CloseReason.RESET))
    cut.exchanges.client_reset()
    assert cut.closed().by is ClosedBy.FAULT


ENDS = ("rst", "fin", "half-close")
ANY_FAULT = st.one_of(
    st.builds(
        lambda make, at, nth: make(at=at, nth=(nth,)),
        st.sampled_from([Drop, Duplicate, Stall]),
        st.sampled_from(["request", "response"]),
        st.integers(1, 4),
    ),
    st.builds(
        lambda at, nth, how: Disconnect(at=at, nth=(nth,), how=how),
        st.sampled_from(["request", "response"]),
        st.integers(1, 4),
        st.sampled_from(ENDS),
    ),
)


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order, no cause meets a state that does not expect it."""

    @initialize(faults=st.lists(ANY_FAULT, max_size=3))
    def connect(self, faults: list[Fault]) -> None:
        self.scene = Scene(*faults)
        self.exchanges = self.scene.exchanges
        self.reader: Iterator[PendingRequest] | None = None
        """The rest of what arrived together, while the reader has it applied."""

    def waits(self) -> bool:
        return self.reader is None and self.exchanges.reading is R.RECEIVING

    @precondition(waits)
    @rule(kind=st.sampled_from(["requests", "no meaning", "no frame"]))
    def input_arrives(self, kind: str) -> None:
        scene, nonsense = self.scene, produce_request(("greetings", 0, b"\xff"))
        if kind == "requests":
            data = scene.frame() + scene.frame()
        elif kind == "no meaning":
            data = scene.client.request(PRODUCE, nonsense, 25)[1] + scene.frame()
        else:
            data = scene.frame() + b"\xff\xff\xff\xff"
        self.reader = self.exchanges.receive(data)

    @precondition(lambda self: self.reader is not None)
    @rule()
    def the_reader_takes_the_next_request(self) -> None:
        assert self.reader is not None
        request = next(self.reader, None)
        if request is None:
            self.reader = None
        else:
            self.scene.requests.append(request)

    @precondition(waits)
    @rule(reset=st.booleans())
    def the_client_goes(self, reset: bool) -> None:
        if reset:
            self.exchanges.client_reset()
        else:
            assert list(self.exchanges.receive(b"")) == []

    @precondition(lambda self: self.scene.requests)
    @rule()
    def a_request_is_due(self) -> None:
        self.scene.apply()

    @precondition(lambda self: self.scene.answers)
    @rule()
    def an_answer_is_due(self) -> None:
        self.scene.write()

    @rule()
    def writes_fail_from_now_on(self) -> None:
        self.scene.writes_fail = True

    @rule()
    def it_is_cut(self) -> None:
        cut = [*self.exchanges.cut(ClosedBy.SIMULATOR, CloseReason.HEALED)]
        assert cut[-1] is RESET

    @precondition(lambda self: self.reader is None and self.exchanges.reading is R.DRAINING)
    @rule()
    def its_input_is_discarded(self) -> None:
        self.exchanges.drained()

    def teardown(self) -> None:
        self.scene.settle()
        self.scene.closed()
        stored = len(self.scene.stored)
        assert 0 <= self.scene.state.journal.unanswered_records <= stored


TestAnyOrder = AnyOrder.TestCase
