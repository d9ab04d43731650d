"""The states of a server connection, and every transition between them.

A connection has two directions with a state each. A *cause* moves one of them or both; a pair of a
state and a cause that stands in no table cannot happen, and is a defect of the simulator.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar


class _Member(Enum):
    # Members are singletons; the hash of their names would cost more than the rest of a transition.
    __hash__ = object.__hash__


class ReadingState(_Member):
    """What becomes of input."""

    RECEIVING = "receiving"
    """The reader waits for input, and can be interrupted."""
    APPLYING = "applying"
    """The reader has requests applied, each to its end."""
    STALLED = "stalled"
    """Nothing more is read; the connection stays open until it is cut."""
    DRAINING = "draining"
    """Input that has arrived is read and discarded, so that closing makes a FIN and no reset."""
    ENDED = "ended"
    """Nothing more is read; requests that were read are still applied."""
    FAILED = "failed"
    """Nothing more is read or applied: a request had no meaning to its handler."""


class WritingState(_Member):
    """What becomes of answers."""

    OPEN = "open"
    """Answers are written."""
    SILENT = "silent"
    """Nothing more is written; the connection stays open."""
    ENDED = "ended"
    """Nothing more is written, and the peer learns so or has gone."""


class Cause(_Member):
    """What moves a connection from one state to another."""

    INPUT = "input"
    """Bytes arrived."""
    APPLIED = "applied"
    """Every request among these bytes is applied, or waits for its time."""
    CLIENT_CLOSED = "client-closed"
    """The client sent its FIN."""
    CLIENT_RESET = "client-reset"
    """The client reset the connection."""
    UNDECODABLE_FRAME = "undecodable-frame"
    """Input is no request."""
    UNDECODABLE_REQUEST = "undecodable-request"
    """A request that is being applied has no meaning to its handler, or no answer that fits."""
    STALL_READING = "stall-reading"
    """A fault at a request: nothing behind it is read."""
    END_READING = "end-reading"
    """A fault at a request ends the connection in its turn: nothing behind it is read."""
    STALL_WRITING = "stall-writing"
    """A fault at an answer: it is not written, nor is anything behind it."""
    END_WRITING = "end-writing"
    """A FIN is sent."""
    DRAIN = "drain"
    """A FIN was sent, and the connection closes once the input that has arrived is read."""
    DRAINED = "drained"
    """The input that had arrived is discarded."""
    WRITE_FAILED = "write-failed"
    """The peer takes no more bytes."""
    CUT = "cut"
    """The connection is reset, by a fault or from outside."""


class TransitionError(RuntimeError):
    """A cause that cannot happen in the present state: a defect of the simulator."""


S = TypeVar("S", bound=_Member)


class Moves(dict[S, S]):
    """Where one cause leads to from each state in which it can happen.

    Raises:
        TransitionError: at a look-up, the cause cannot happen in this state.
    """

    def __init__(self, cause: Cause, moves: Mapping[S, S]) -> None:
        super().__init__(moves)
        self._cause = cause

    def __missing__(self, state: S) -> S:
        raise TransitionError(f"{self._cause.value} cannot happen while {state.value}")


_R = ReadingState
_READING = {
    Cause.INPUT: {_R.RECEIVING: _R.APPLYING},
    Cause.APPLIED: {_R.APPLYING: _R.RECEIVING},
    Cause.CLIENT_CLOSED: {_R.RECEIVING: _R.ENDED},
    Cause.CLIENT_RESET: {_R.RECEIVING: _R.ENDED},
    Cause.UNDECODABLE_FRAME: {_R.APPLYING: _R.ENDED},
    Cause.UNDECODABLE_REQUEST: {
        _R.RECEIVING: _R.FAILED,
        _R.APPLYING: _R.FAILED,
        _R.STALLED: _R.FAILED,
        _R.DRAINING: _R.FAILED,
        _R.ENDED: _R.FAILED,
    },
    Cause.STALL_READING: {_R.APPLYING: _R.STALLED},
    Cause.END_READING: {_R.APPLYING: _R.ENDED},
    Cause.DRAIN: {
        _R.RECEIVING: _R.DRAINING,
        _R.APPLYING: _R.DRAINING,
        _R.STALLED: _R.DRAINING,
        _R.DRAINING: _R.DRAINING,
        _R.ENDED: _R.DRAINING,
        _R.FAILED: _R.FAILED,
    },
    Cause.DRAINED: {
        _R.DRAINING: _R.ENDED,
        _R.ENDED: _R.ENDED,
        _R.FAILED: _R.FAILED,
    },
    Cause.CUT: {
        _R.RECEIVING: _R.ENDED,
        _R.APPLYING: _R.ENDED,
        _R.STALLED: _R.ENDED,
        _R.DRAINING: _R.ENDED,
        _R.ENDED: _R.ENDED,
        _R.FAILED: _R.FAILED,
    },
}

READING = {cause: Moves(cause, _READING.get(cause, {})) for cause in Cause}
"""Every transition of the reading state, by its cause."""

_W = WritingState
_WRITING = {
    Cause.STALL_WRITING: {_W.OPEN: _W.SILENT},
    Cause.END_WRITING: {_W.OPEN: _W.ENDED, _W.SILENT: _W.ENDED, _W.ENDED: _W.ENDED},
    Cause.WRITE_FAILED: {_W.OPEN: _W.ENDED, _W.ENDED: _W.ENDED},
    Cause.CUT: {_W.OPEN: _W.ENDED, _W.SILENT: _W.ENDED, _W.ENDED: _W.ENDED},
}

WRITING = {cause: Moves(cause, _WRITING.get(cause, {})) for cause in Cause}
"""Every transition of the writing state, by its cause."""
