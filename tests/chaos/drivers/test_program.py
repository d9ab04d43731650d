"""A client behind two pipes: the questions, and the effect of each kind of answer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from chaos.drivers import Broken, CallFailed, Silent
from chaos.drivers.process import LINE_BYTES_MAX, Dialogue, Process
from chaos.drivers.program import ProgramSession, open_program
from chaos.drivers.program_consumer import ConsumerProcesses
from chaos.drivers.questions import Questions
from chaos.history import History, SentRecord
from chaos.oracle.judge import judge
from chaos.runner import run_scenario
from chaos.spec.scenario import Scenario
from tests.chaos.drivers.programs import Outcomes, program

Asked = list[dict[str, Any]]
Answers = Callable[[dict[str, Any]], str | None]


class ScriptedProcess(Process):
    """A process that can only be killed."""

    def __init__(self) -> None:
        self.killed = 0

    def kill(self) -> None:
        self.killed += 1


class ScriptedDialogue(Dialogue):
    """Answers with the result of a function; None is silence."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._buffer = bytearray()
        self._n = 0
        self.asked: Asked = []

    async def say(self, line: bytes) -> None:
        question = json.loads(line)
        self._n = question.pop("n")
        self.asked.append(question)

    async def hear(self) -> bytes:
        answer = self._answers(self.asked[-1])
        if answer is None:
            await trio.sleep_forever()
        assert answer is not None
        if answer.startswith('{"') and '"n"' not in answer:
            answer = f'{{"n": {self._n}, {answer[1:]}'
        return answer.encode()


class Talk:
    """A client with a scripted program behind it."""

    def __init__(self, answers: Answers, **producer: Any) -> None:
        self.process, self.dialogue = ScriptedProcess(), ScriptedDialogue(answers)
        self.outcome = Outcomes()
        scenario = Scenario.model_validate(
            {"name": "x", "workload": ["send"], "step_timeout": "5s", "producer": producer}
        )
        questions = Questions(self.process, self.dialogue, scenario.step_timeout)
        consumers = ConsumerProcesses(ScriptedProcess)
        self.client = ProgramSession(questions, consumers, self.outcome, scenario)

    @property
    def ops(self) -> list[str]:
        return [question["op"] for question in self.dialogue.asked]


def ok(question: dict[str, Any]) -> str:
    return '{"ok": true}'


def record(n: int, key: bytes | None = None) -> SentRecord:
    return SentRecord(n, key, b"%08x" % n, call=0, sent_at=0.0)


async def test_it_is_asked_to_connect_and_to_make_a_producer_with_every_option() -> None:
    talk = Talk(ok, linger="100ms")
    await talk.client.connect("127.0.0.1:1")
    connect, producer = talk.dialogue.asked
    assert connect == {"op": "connect", "address": "127.0.0.1:1"}
    assert (producer["topic"], producer["linger"]) == ("greetings", 0.1)
    assert producer["retry"]["timeout"] == 300.0
    assert producer["attempt_timeout"] is None


async def test_keys_and_values_are_base64_and_no_key_is_null() -> None:
    talk = Talk(ok)
    await talk.client.send(record(1))
    await talk.client.send_all([record(2, b"k")])
    assert talk.dialogue.asked == [
        {"op": "send", "id": 1, "key": None, "value": "MDAwMDAwMDE="},
        {"op": "send_all", "records": [{"id": 2, "key": "aw==", "value": "MDAwMDAwMDI="}]},
    ]


async def test_a_client_without_send_all_is_asked_to_send_one_by_one() -> None:
    talk = Talk(lambda q: '{"ok": true, "not_applicable": {"send_all": "one by one"}}')
    await talk.client.connect("127.0.0.1:1")
    await talk.client.send_all([record(1), record(2)])
    assert talk.ops[2:] == ["send", "send"]


async def test_each_record_is_waited_for_once_and_its_offset_is_recorded() -> None:
    talk = Talk(lambda q: '{"ok": true, "partition": 1, "offset": 7}')
    await talk.client.send(record(1))
    await talk.client.wait()
    await talk.client.wait()
    assert talk.ops == ["send", "wait"]
    assert talk.outcome.outcomes == {1: ("ok", 1, 7)}


async def test_a_client_may_omit_partition_and_offset() -> None:
    talk = Talk(ok)
    await talk.client.send(record(1))
    await talk.client.wait()
    assert talk.outcome.outcomes == {1: ("ok", None, None)}


@pytest.mark.parametrize(
    ("says", "outcome"),
    [({}, "unknown"), ({"persisted": "maybe"}, "unknown"), ({"persisted": "no"}, "failed")],
)
async def test_the_error_decides_the_outcome_of_its_record(
    says: dict[str, str], outcome: str
) -> None:
    def answers(question: dict[str, Any]) -> str:
        return ok(question) if question["op"] == "send" else json.dumps({"error": "lost", **says})

    talk = Talk(answers)
    await talk.client.send(record(1))
    await talk.client.wait()
    assert talk.outcome.outcomes == {1: (outcome, "lost")}


async def test_a_rejected_record_is_not_waited_for() -> None:
    talk = Talk(lambda q: '{"error": "no room\\nat all"}')
    with pytest.raises(CallFailed, match=r"^no room at all$"):
        await talk.client.send(record(1))
    await talk.client.wait()
    assert talk.ops == ["send"]


async def test_a_flush_of_at_least_once_asks_for_every_outcome_even_if_it_fails() -> None:
    talk = Talk(lambda q: '{"error": "no"}' if q["op"] == "flush" else ok(q))
    await talk.client.send(record(1))
    with pytest.raises(CallFailed):
        await talk.client.flush()
    assert talk.ops == ["send", "flush", "wait"]


async def test_a_flush_of_at_most_once_asks_for_none() -> None:
    talk = Talk(ok, delivery_semantic="at-most-once")
    await talk.client.send(record(1))
    await talk.client.flush()
    assert talk.ops == ["send", "flush"]


async def test_a_silent_program_is_killed_and_gets_no_further_question(
    autojump_clock: MockClock,
) -> None:
    talk = Talk(lambda q: None)
    with pytest.raises(Silent, match=r"^flush: no answer within 5 s$"):
        await talk.client.flush()
    assert trio.current_time() == 5.0
    assert talk.process.killed == 1
    with pytest.raises(Silent):
        await talk.client.close()
    assert talk.ops == ["flush"]


async def test_a_cancelled_call_kills_the_program_too(
    autojump_clock: MockClock,
) -> None:
    talk = Talk(lambda q: None)
    with trio.move_on_after(1):
        await talk.client.flush()
    assert talk.process.killed == 1
    with pytest.raises(Silent, match="flush"):
        await talk.client.close()


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("hello", "answered flush with 'hello', which is not JSON"),
        ("[1]", "which is neither"),
        ("{}", "which is neither"),
        ('{"ok": false}', "which is neither"),
        ('{"ok": true, "error": "x"}', "which is neither"),
        ("", "^the program answered flush with an empty line$"),
        (" ", "with an empty line"),
        ('{"ok": true, "offset": NaN}', "which is not JSON"),
        ("[" * 100_000, "which is not JSON"),
        ('{"ok": true, "offset": ' + "9" * 5000 + "}", "which is not JSON"),
        ('{"error": "\\ud800"}', "which is not Unicode text"),
        ('{"ok": true, "\\ud800": 1}', "which is not Unicode text"),
        ('{"error": {"a": 1}}', "whose error is not a text"),
        ('{"error": null}', "whose error is not a text"),
        ('{"error": "x", "persisted": {}}', "whose persisted is neither"),
        ('{"error": "x", "persisted": "perhaps"}', "whose persisted is neither"),
        ('{"ok": true, "n": 7}', 'which does not repeat "n": 1'),
        ('{"ok": true, "n": true}', 'which does not repeat "n": 1'),
        ('{"ok": true, "n": null}', 'which does not repeat "n": 1'),
    ],
)
async def test_an_invalid_answer_is_a_failure_of_the_program(answer: str, text: str) -> None:
    talk = Talk(lambda q: answer)
    with pytest.raises(Broken, match=text):
        await talk.client.flush()
    assert talk.process.killed == 1


async def test_a_second_answer_to_a_question_is_reported() -> None:
    talk = Talk(lambda q: '{"ok": true, "n": 1}')
    await talk.client.send(record(1))
    with pytest.raises(Broken, match=r"^the program answered question 1 twice: .* has \"n\": 2$"):
        await talk.client.flush()
    assert talk.process.killed == 1


@pytest.mark.parametrize("offset", ["-1", '"7"', "true", "1.5", str(2**63)])
async def test_an_invalid_offset_is_a_failure_of_the_program(offset: str) -> None:
    talk = Talk(lambda q: f'{{"ok": true, "offset": {offset}}}')
    await talk.client.send(record(1))
    with pytest.raises(Broken, match="offset"):
        await talk.client.wait()


# --- real programs


def ran(tmp_path: Path, script: str, **scenario: Any) -> History:
    """Run a scenario with a Python program as the client."""
    data = {"name": "x", "worlds": ["tcp"], "workload": ["send", "flush"], **scenario}
    return run_scenario(
        Scenario.model_validate(data), "tcp", open_program(program(tmp_path, script))
    )


ANSWERS = """
import json, os, sys
def answer(**fields):
    print(json.dumps({"n": json.loads(input())["n"], **fields}), flush=True)
"""


def test_a_program_that_ends_is_reported_with_its_last_error_line(tmp_path: Path) -> None:
    script = ANSWERS + "answer(ok=True); input(); print('sorry', file=sys.stderr); sys.exit(3)"
    history = ran(tmp_path, script)
    assert history.crash == "the program ended with status 3: sorry"
    result = judge(history)
    assert (result.verdict, [f.check for f in result.broken]) == ("invalid", ["speaks"])
    assert History.loads(history.dumps()).crash == history.crash


@pytest.mark.parametrize("script", ["import nowhere", "input(); raise SystemExit('no config')"])
def test_a_program_that_ends_before_its_first_answer_has_no_verdict(
    tmp_path: Path, script: str
) -> None:
    history = ran(tmp_path, script)
    result = judge(history)
    assert (result.verdict, history.crash) == ("inconclusive", None)
    [reason] = result.reasons
    assert reason.startswith("the client could not be started: the program ended with status 1: ")
    assert History.loads(history.dumps()).not_started == history.not_started


def test_a_program_that_is_not_there_has_no_verdict(tmp_path: Path) -> None:
    scenario = Scenario.model_validate({"name": "x", "worlds": ["tcp"], "workload": ["send"]})
    result = judge(run_scenario(scenario, "tcp", open_program([str(tmp_path / "nowhere")])))
    assert (result.verdict, result.broken) == ("inconclusive", ())
    assert result.reasons[0].endswith("nowhere cannot be started: no such file or directory")


@pytest.mark.parametrize(
    ("rest", "seen"),
    [
        ("print('{\"ok\"', end='', flush=True)", "with status 0 (5 bytes came without a newline)"),
        (
            "os.write(1, b'x'); os.kill(os.getpid(), 9)",
            "by signal 9 (1 byte came without a newline)",
        ),
    ],
)
def test_an_answer_without_a_newline_is_reported_with_its_bytes(
    tmp_path: Path, rest: str, seen: str
) -> None:
    history = ran(tmp_path, ANSWERS + f"answer(ok=True); input(); {rest}")
    assert history.crash == f"the program ended {seen}"


def test_silence_behind_an_answer_without_a_newline_is_reported_with_its_bytes(
    tmp_path: Path,
) -> None:
    script = ANSWERS + "answer(ok=True); input(); os.write(1, b'xyz'); input()"
    history = ran(tmp_path, script, step_timeout="200ms")
    assert history.silent == ("producer: no answer within 0.2 s (3 bytes came without a newline)")


def test_an_invalid_value_of_persisted_hides_no_loss(tmp_path: Path) -> None:
    script = ANSWERS + "answer(ok=True); answer(ok=True); answer(ok=True); answer(ok=True)\n"
    result = judge(ran(tmp_path, script + "answer(error='x', persisted={}); input()"))
    assert (result.verdict, [f.check for f in result.broken]) == ("invalid", ["speaks"])


def test_a_program_that_is_killed_by_a_signal_is_reported(tmp_path: Path) -> None:
    history = ran(tmp_path, "import os; input(); os.kill(os.getpid(), 9)")
    assert history.crash == "the program ended by signal 9"


def test_an_endless_line_is_a_failure_of_the_program(tmp_path: Path) -> None:
    history = ran(tmp_path, "while True: print('x' * 99999, end='')")
    assert history.crash == f"the program wrote a line of more than {LINE_BYTES_MAX:,} bytes"


def test_much_output_on_standard_error_does_not_block_a_program(tmp_path: Path) -> None:
    script = """
import json, sys
for line in sys.stdin:
    print("x" * 1_000_000, file=sys.stderr)
    print(json.dumps({"n": json.loads(line)["n"], "error": "cannot"}), flush=True)
"""
    history = ran(tmp_path, script)
    assert history.crash is None
    assert history.calls[0].error == "cannot"
    assert judge(history).verdict == "inconclusive"


def test_unsupported_options_are_reported_and_the_client_is_judged_by_its_own(
    tmp_path: Path,
) -> None:
    script = """
import json, sys
for line in sys.stdin:
    answer = {"ok": True, "not_applicable": {"linger": "1s", "colour": "none"}}
    print(json.dumps({"n": json.loads(line)["n"], **answer}), flush=True)
"""
    history = ran(tmp_path, script, producer={"linger": "5ms"})
    assert history.scenario.producer.linger == 1.0
    assert history.not_applicable == [
        "producer.linger: the client has 1, not 0.005",
        "colour: none",
    ]


def test_a_client_that_reports_no_offsets_may_say_so(tmp_path: Path) -> None:
    script = """
import json, sys
for line in sys.stdin:
    answer = {"ok": True, "not_applicable": {"offsets": "it reports none"}}
    print(json.dumps({"n": json.loads(line)["n"], **answer}), flush=True)
"""
    assert ran(tmp_path, script).lacks["offsets"] == "it reports none"


def test_a_program_may_say_that_it_does_not_consume(tmp_path: Path) -> None:
    script = """
import json, sys
for line in sys.stdin:
    answer = {"ok": True, "not_applicable": {"consume": "it has no consumer"}}
    print(json.dumps({"n": json.loads(line)["n"], **answer}), flush=True)
"""
    history = ran(tmp_path, script, workload=["consume"])
    assert history.consumptions == []
    text = "it has no consumer"
    assert (history.lacks["consume"], history.not_applicable) == (text, [f"consume: {text}"])


def test_a_program_whose_consumer_breaks_the_protocol_fails(tmp_path: Path) -> None:
    script = """
import json, sys
for line in sys.stdin:
    question = json.loads(line)
    if question["op"] == "consume":
        print(json.dumps({"n": question["n"], "records": []}), flush=True)
    print(json.dumps({"n": question["n"], "ok": True}), flush=True)
"""
    history = ran(tmp_path, script, workload=[{"consume": {"within": "20s"}}])
    assert history.crash is not None
    assert history.crash.startswith(
        "the program answered consume with a line that has the keys n, "
    )
    assert "speaks" in {finding.check for finding in judge(history).broken}
