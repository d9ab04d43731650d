"""Questions to a program, and its answers: one JSON object per line, each way.

``docs/client-protocol.md`` is the contract. One question is asked at a time. A program that does
not answer in time is killed: its state is unknown, and its next line would answer an earlier
question. An answer repeats the number of its question, so that a second answer to one question is
not taken for the answer to the next.
"""

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import trio

from chaos.drivers import Broken, CallFailed, Silent
from chaos.drivers.process import Dialogue, Process
from chaos.history import Outcome
from simulator.documents.strict_model import shown

SHOWN_BYTES = 80
"""How many bytes of an invalid answer a message quotes."""

TEXT_CHARS_MAX = 1000
"""How many characters of an error text are kept; a client may put a backtrace there."""

PERSISTED: Mapping[object, Outcome] = {"no": "failed", "maybe": "unknown", None: "unknown"}
"""The values of ``persisted`` in an error, and the outcome of each."""

OFFSET_MAX = 2**63 - 1
"""The largest offset, and the latest time in milliseconds, that Fluvio can store."""

LARGEST: Mapping[str, int] = {
    "partition": 2**31 - 1,
    "offset": OFFSET_MAX,
    "timestamp": OFFSET_MAX,
}
"""The largest numbers that Fluvio can store, by the keys of an answer."""

Answer = dict[str, Any]

Report = Callable[[Answer], None]
"""Takes a line before the answer; raises ``Broken`` if it is invalid."""


class Questions:
    """Asks a program one question after the other.

    Args:
        process: the program, which is killed when it is silent.
        dialogue: the lines to and from the program.
        patience_s: the time limit of an answer.
    """

    def __init__(self, process: Process, dialogue: Dialogue, patience_s: float) -> None:
        self.process = process
        self._dialogue = dialogue
        self._patience_s = patience_s
        self.lost: Exception | None = None
        """Why the session is over; None while it is usable."""

    async def ask(self, op: str, report: Report | None = None, /, **arguments: Any) -> Answer:
        """Ask one question and return the answer.

        Args:
            op: the question.
            report: takes each line before the answer; None if the question has none.
            arguments: the other keys of the question.

        Raises:
            CallFailed: the program reports an error.
            Silent: no answer came in time, and the program was killed.
            Broken: the program ended, or its answer is invalid.
        """
        if self.lost is not None:
            raise self.lost
        self.process.asked += 1
        n = self.process.asked
        line = json.dumps({"op": op, "n": n, **arguments}).encode()
        try:
            with trio.move_on_after(self._patience_s) as scope:
                await self._dialogue.say(line)
                answer = await self._hear(op, n, report)
            if scope.cancelled_caught:
                came = self._dialogue.unfinished
                raise Silent(f"{op}: no answer within {self._patience_s:g} s{came}")
        except trio.Cancelled:
            # The call has exceeded its bound; the answer is still outstanding.
            self.lose(Silent(f"{op}: no answer within its bound"))
            raise
        except (Silent, Broken) as failure:
            self.lose(failure)
            raise
        self.process.answered = True
        if "error" in answer:
            raise CallFailed(_one_line(answer["error"]), PERSISTED[answer.get("persisted")])
        return answer

    async def finish(self, op: str, report: Report) -> None:
        """Take the lines that a program wrote in answer to its last question before it was killed;
        a line that is cut off or invalid ends them."""
        with trio.CancelScope(shield=True), suppress(Broken):
            await self._hear(op, self.process.asked, report)

    async def _hear(self, op: str, n: int, report: Report | None) -> Answer:
        while True:
            line = await self._dialogue.hear()
            answer = answer_in(op, n, line, reports=report is not None)
            if report is None or not answer.keys().isdisjoint(("ok", "error")):
                return answer
            report(answer)

    def lose(self, failure: Exception) -> None:
        """Ask nothing more, and kill the program."""
        self.lost = failure
        self.process.kill()


# --- answers


def answer_in(op: str, n: int, line: bytes, *, reports: bool = False) -> Answer:
    """Return the answer to question ``n`` that a line holds.

    Args:
        op: the question, for messages.
        n: its number.
        line: the line.
        reports: whether a line may also be one before the answer, which has neither ``ok`` nor
            ``error``.

    Raises:
        Broken: the line is none; the message quotes it.
    """
    if not line.strip():
        raise Broken(f"the program answered {op} with an empty line")
    try:
        answer = json.loads(line, parse_constant=_no_constant)
        json.dumps(answer, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # an escape such as \\ud800
        raise Broken(f"{_said(op, line)}, which is not Unicode text") from None
    except (ValueError, RecursionError):
        raise Broken(f"{_said(op, line)}, which is not JSON") from None
    if not isinstance(answer, dict) or not _is_complete(answer, reports=reports):
        raise Broken(f'{_said(op, line)}, which is neither {{"ok": true}} nor {{"error": TEXT}}')
    repeated = answer.get("n")
    if type(repeated) is int and 0 < repeated < n:
        raise Broken(
            f"the program answered question {repeated} twice: {_said(op, line)}, and the question "
            f'has "n": {n}'
        )
    if type(repeated) is not int or repeated != n:
        raise Broken(f'{_said(op, line)}, which does not repeat "n": {n}')
    if not isinstance(answer.get("error", ""), str):
        raise Broken(f"{_said(op, line)}, whose error is not a text")
    persisted = answer.get("persisted")
    if "error" in answer and not (persisted is None or persisted in ("no", "maybe")):
        raise Broken(f'{_said(op, line)}, whose persisted is neither "no" nor "maybe"')
    return answer


def _is_complete(answer: Answer, *, reports: bool) -> bool:
    if reports and answer.keys().isdisjoint(("ok", "error")):
        return True
    return ("error" in answer) != (answer.get("ok") is True)


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def whole_or_none(answer: Answer, name: str) -> int | None:
    """Return a whole number of an answer; None if the answer lacks it.

    Raises:
        Broken: the value is another one.
    """
    return None if answer.get(name) is None else whole(answer, name)


def whole(answer: Answer, name: str) -> int:
    """Return a whole number of an answer.

    Raises:
        Broken: the answer lacks it, or has another value.
    """
    value, largest = answer.get(name), LARGEST.get(name, OFFSET_MAX)
    if type(value) is int and 0 <= value <= largest:
        return value
    raise Broken(
        f"the program answered with {name} {shown(value)}, which is not a whole number "
        f"from 0 to {largest}"
    )


def base64_of(answer: Answer, name: str) -> bytes:
    """Return the bytes that an answer holds in base64.

    Raises:
        Broken: the answer lacks them, or has another value.
    """
    value = answer.get(name)
    try:
        if isinstance(value, str):
            return b64decode(value, validate=True)
    except ValueError:
        pass
    raise Broken(f"the program answered with {name} {shown(value)}, which is not base64")


def mapping(answer: Answer, name: str) -> Mapping[str, Any]:
    """Return an object of an answer; an empty one if the answer lacks it.

    Raises:
        Broken: the value is another one.
    """
    value = answer.get(name, {})
    if isinstance(value, dict):
        return value
    raise Broken(f"the program answered with {name} {shown(value)}, which is not an object")


def _said(op: str, line: bytes) -> str:
    shown = line[:SHOWN_BYTES].decode(errors="backslashreplace")
    return f"the program answered {op} with {_one_line(shown)!r}"


def _one_line(text: object) -> str:
    """Return the text of an error in one line, cut where it is too long."""
    return " ".join(str(text).split())[:TEXT_CHARS_MAX] or "an error without a text"
