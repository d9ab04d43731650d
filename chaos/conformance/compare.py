"""Compares a recording with its replay, exchange by exchange and field by field.

An exchange is named by its connection and its position there: a replay sends the same requests in
the same order. Answers to one request are compared with each other. Beside them each connection is
compared as a whole: which side ended it first, and whether there were answers to no request.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chaos.conformance.fields import (
    STREAMS,
    Leaf,
    Own,
    Tree,
    answer_tree,
    final_state,
    row_of_records,
)
from chaos.conformance.may_differ import MayDiffer
from chaos.conformance.recording import CLIENT_ENDS, RecordedExchange, Recording, server_kind
from wire.api import WATCH
from wire.codec import WireError

ANSWER_PATH = ("answer",)
"""The path of an answer as a whole: one side has it, and the other one does not."""

CONNECTION = "connection"
"""What stands for an API where a connection as a whole is compared."""

NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which both sides differ."""

    path: tuple[str, ...]
    real: str
    simulated: str
    excuse: MayDiffer | None = None
    """The entry of the list that allows it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The answers to one request, or one connection as a whole, on both sides."""

    session: str
    server: str
    """The kind of server, ``sc`` or ``spu``."""
    connection: int
    number: int
    """The position of the request on its connection, from 1; 0 for the connection as a whole."""
    api: str
    """The API of the request; ``connection`` for a connection as a whole."""
    frames: int
    """The frames of the recording that were compared."""
    differences: Sequence[Difference] = ()

    @property
    def unexcused(self) -> list[Difference]:
        """The differences that no entry of the list allows."""
        return [difference for difference in self.differences if difference.excuse is None]

    @property
    def outcome(self) -> str:
        """``equal``, ``excused`` or ``different``."""
        if self.unexcused:
            return "different"
        return "excused" if self.differences else "equal"


def compared(
    recording: Recording, again: Recording, own: Own, may_differ: Sequence[MayDiffer] = ()
) -> list[Comparison]:
    """Compare a recording with its replay.

    Args:
        recording: the session with the real cluster.
        again: its replay.
        own: what selects the objects of the session.
        may_differ: the intended differences.

    Raises:
        WireError: a frame of the recording does not decode.
    """
    theirs, ours = recording.exchanges(), again.exchanges()
    ended = {event.connection for event in recording.events if event.what in CLIENT_ENDS}
    found = [
        Comparison(
            recording.name,
            exchange.server_kind,
            exchange.connection,
            exchange.number,
            _name(exchange),
            len(exchange.answers),
            [*_exchange_differences(exchange, ours.get(key), own, key[0] in ended)],
        )
        for key, exchange in theirs.items()
    ]
    found += _connections(recording, again)
    return [_excused(comparison, may_differ) for comparison in found]


def _name(exchange: RecordedExchange) -> str:
    return f"key {exchange.header.api_key}" if exchange.api is None else exchange.api.name


def _excused(comparison: Comparison, may_differ: Sequence[MayDiffer]) -> Comparison:
    where = comparison.session, comparison.server, comparison.api

    def excuse(difference: Difference) -> MayDiffer | None:
        return next((e for e in may_differ if e.covers(*where, difference.path)), None)

    differences = [replace(each, excuse=excuse(each)) for each in comparison.differences]
    return replace(comparison, differences=differences)


def _connections(recording: Recording, again: Recording) -> Iterator[Comparison]:
    """Yield a comparison for each connection: which side ended it first, and answers to nothing."""
    ended = [side.server_ended_first() for side in (recording, again)]
    unasked = [side.unasked() for side in (recording, again)]
    servers = {event.connection: event.server for event in recording.events}
    for connection, server in sorted(servers.items()):
        real, simulated = (
            {
                "ended first by": "the server" if connection in ended[side] else "the client",
                "answers to no request": unasked[side][connection],
            }
            for side in (0, 1)
        )
        differences = [*tree_differences(real, simulated)]
        yield Comparison(
            recording.name, server_kind(server), connection, 0, CONNECTION, 0, differences
        )


def _exchange_differences(
    real: RecordedExchange, simulated: RecordedExchange | None, own: Own, ended: bool
) -> Iterator[Difference]:
    """Yield the differences between the answers to one request."""
    theirs = real.answers
    ours = [] if simulated is None else simulated.answers
    if not theirs and ours and not ended:
        yield Difference(ANSWER_PATH, NOTHING, "an answer")
    elif theirs and not ours:
        yield Difference(ANSWER_PATH, "an answer", NOTHING)
    elif theirs:
        yield from _answer_differences(real, theirs, ours, own)


def _answer_differences(
    exchange: RecordedExchange, theirs: Sequence[bytes], ours: Sequence[bytes], own: Own
) -> Iterator[Difference]:
    api, version = exchange.api, exchange.header.api_version
    if api is None:
        if theirs != ours:
            yield Difference(ANSWER_PATH, _shown(theirs[0]), _shown(ours[0]))
        return

    def trees(answers: Sequence[bytes]) -> tuple[Tree, Tree]:
        """Return the first answer, if it is compared by itself, and the sum of all answers."""
        if api.name in STREAMS:
            return {}, row_of_records(api, version, answers)
        first = answer_tree(api, version, answers[0], own)
        if api is WATCH:
            return first, final_state(version, answers, own)
        return first, {"answers": len(answers)}

    real = trees(theirs)
    try:
        simulated = trees(ours)
    except WireError as error:
        yield Difference(ANSWER_PATH, "an answer", f"one that does not decode: {error}")
        return
    first = [*tree_differences(real[0], simulated[0])]
    yield from first
    # What differed in the first answer and still does in the end is one difference.
    yield from (each for each in tree_differences(real[1], simulated[1]) if each not in first)


def tree_differences(
    real: Tree, simulated: Tree, above: tuple[str, ...] = ()
) -> Iterator[Difference]:
    """Yield the differences between two trees; what one side lacks is one difference."""
    for name in dict.fromkeys((*real, *simulated)):
        path = (*above, name)
        if name not in real:
            yield Difference(path, NOTHING, _shown(simulated[name]))
        elif name not in simulated:
            yield Difference(path, _shown(real[name]), NOTHING)
        else:
            yield from _differences(real[name], simulated[name], path)


def _differences(
    real: "Tree | Leaf", simulated: "Tree | Leaf", path: tuple[str, ...]
) -> Iterator[Difference]:
    if isinstance(real, Mapping) and isinstance(simulated, Mapping):
        yield from tree_differences(real, simulated, path)
    elif real != simulated:
        yield Difference(path, _shown(real), _shown(simulated))


def _shown(value: Any) -> str:
    """Format a value on one line."""
    if isinstance(value, bytes):
        text = value.hex()
    elif isinstance(value, Mapping):
        text = "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in value.items()) + "}"
    else:
        text = repr(value)
    return text if len(text) <= SHOWN_CHARS_MAX else text[: SHOWN_CHARS_MAX - 3] + "..."


SHOWN_CHARS_MAX = 100
"""The longest value in a report."""
