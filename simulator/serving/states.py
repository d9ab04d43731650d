"""The states of a server connection, and every transition between them.

A connection has a state for each of its two directions. A *cause* changes one of them or both. A
pair of a state and a cause without a table entry cannot occur; it is a defect of the simulator.
"""

from collections.abc import Mapping
from enum import Enum
from typing import TypeVar


class _Member(Enum):
    # Members are singletons; a hash of their names would cost more than the rest of a transition.
    __hash__ = object.__hash__


class ReadingState(_Member):
    """The state of the direction from the client."""

    RECEIVING = "receiving"
    """The reader waits for input and can be interrupted."""
    APPLYING = "applying"
    """The reader applies requests, each to its end."""
    STALLED = "stalled"
    """Nothing more is read; the connection stays open until it is cut."""
    DRAINING = "draining"
    """Input that has arrived is read and discarded, so that closing sends a FIN and not a reset."""
    ENDED = "ended"
    """Nothing more is read; requests that were read are still applied."""
    FAILED = "failed"
    """Nothing more is read or applied: a handler rejected a request as invalid."""


class WritingState(_Member):
    """The state of the direction to the client."""

    OPEN = "open"
    """Answers are written."""
    SILENT = "silent"
    """Nothing more is written; the connection stays open."""
    ENDED = "ended"
    """Nothing more is written; the peer receives a FIN or a reset, or is gone."""


class Cause(_Member):
    """The cause of a transition."""

    INPUT = "input"
    """Bytes arrived."""
    APPLIED = "applied"
    """Every request among these bytes is applied or held on the delay line."""
    CLIENT_CLOSED = "client-closed"
    """The client sent its FIN."""
    CLIENT_RESET = "client-reset"
    """The client reset the connection."""
    UNDECODABLE_FRAME = "undecodable-frame"
    """The input is not a request."""
    UNDECODABLE_REQUEST = "undecodable-request"
    """A handler rejected a request as invalid, or its answer does not fit into a frame."""
    STALL_READING = "stall-reading"
    """A fault at a request silences the connection: nothing after the request is read."""
    END_READING = "end-reading"
    """A fault at a request ends the connection: nothing after the request is read."""
    STALL_WRITING = "stall-writing"
    """A fault at an answer silences the connection: neither it nor later answers are written."""
    END_WRITING = "end-writing"
    """A FIN is sent."""
    DRAIN = "drain"
    """A FIN was sent, and the connection closes after the input that has arrived is read."""
    DRAINED = "drained"
    """The input that had arrived is discarded."""
    WRITE_FAILED = "write-failed"
    """The peer accepts no more bytes."""
    CUT = "cut"
    """A fault or the simulator resets the connection."""


class TransitionError(RuntimeError):
    """A cause that cannot occur in the current state: a defect of the simulator."""


S = TypeVar("S", bound=_Member)


class Moves(dict[S, S]):
    """The transitions of one cause, from each state in which it can occur.

    Raises:
        TransitionError: at a look-up, the cause cannot occur in the state.
    """

    def __init__(self, cause: Cause, moves: Mapping[S, S]) -> None:
        super().__init__(moves)
        self._cause = cause

    def __missing__(self, state: S) -> S:
        raise TransitionError(f"{self._cause.value} cannot occur while {state.value}")


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
        _R.FAILED: _R.FAILED,
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
