"""Compares a recording with its replay, exchange by exchange and field by field.

An exchange is named by its connection and its position there: a replay sends the same requests in
the same order. Answers to one request are compared with each other, and beside them only which side
ended each connection first.
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

ANSWER_PATH = ("answer",)
"""The path of an answer as a whole: one side has it, and the other one does not."""

END_PATH = ("ended first",)
"""The path of the side that ended a connection first."""

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
    """The answers to one request, or the end of one connection, on both sides."""

    session: str
    server: str
    """The kind of server, ``sc`` or ``spu``."""
    connection: int
    number: int
    """The position of the request on its connection, from 1; 0 for the end of the connection."""
    api: str
    """The API of the request; ``end`` for the end of a connection."""
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
        WireError: the header of a request does not decode.
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
    found += _ends(recording, again)
    return [_excused(comparison, may_differ) for comparison in found]


def _name(exchange: RecordedExchange) -> str:
    return f"key {exchange.header.api_key}" if exchange.api is None else exchange.api.name


def _excused(comparison: Comparison, may_differ: Sequence[MayDiffer]) -> Comparison:
    where = comparison.session, comparison.server, comparison.api

    def excuse(difference: Difference) -> MayDiffer | None:
        return next((e for e in may_differ if e.covers(*where, difference.path)), None)

    differences = [replace(each, excuse=excuse(each)) for each in comparison.differences]
    return replace(comparison, differences=differences)


def _ends(recording: Recording, again: Recording) -> Iterator[Comparison]:
    """Yield a comparison for each connection: whether the server ended it before the client."""
    theirs, ours = recording.server_ended_first(), again.server_ended_first()
    servers = {event.connection: event.server for event in recording.events}
    for connection, server in sorted(servers.items()):
        real, simulated = (
            "the server" if connection in side else "the client" for side in (theirs, ours)
        )
        differences = [Difference(END_PATH, real, simulated)] if real != simulated else []
        yield Comparison(recording.name, server_kind(server), connection, 0, "end", 0, differences)


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
    elif api.name in STREAMS:
        real, simulated = (row_of_records(api, version, side) for side in (theirs, ours))
        yield from tree_differences(real, simulated)
    else:
        real, simulated = (answer_tree(api, version, side[0], own) for side in (theirs, ours))
        first = [*tree_differences(real, simulated)]
        yield from first
        if api is WATCH:
            real, simulated = (final_state(version, side, own) for side in (theirs, ours))
            # What differed in the first answer and still does is one difference.
            yield from (each for each in tree_differences(real, simulated) if each not in first)
        elif len(theirs) != len(ours):
            yield Difference(ANSWER_PATH, f"{len(theirs)} answers", f"{len(ours)} answers")


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
