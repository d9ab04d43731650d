"""A Ctrl-C ends the work at any instruction."""

import signal
import sys
from threading import Event
from typing import Any

import pytest

from chaos.cli.terminal import Interrupted, interruptible

ENDS_S = 240.0
"""The limit in seconds on the wait for a signal that arrives within milliseconds."""


class Destroyed:
    """An object whose destructor runs a function."""

    def __init__(self, last: Any, *arguments: object) -> None:
        self._last, self._arguments = last, arguments

    def __del__(self) -> None:
        self._last(*self._arguments)


def test_a_ctrl_c_is_distinguished_from_other_errors() -> None:
    with pytest.raises(Interrupted), interruptible():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), interruptible():
        raise ZeroDivisionError


def test_a_ctrl_c_in_a_group_of_errors_is_one() -> None:
    with pytest.raises(Interrupted), interruptible():
        raise BaseExceptionGroup(
            "x", [ValueError(), BaseExceptionGroup("y", [KeyboardInterrupt()])]
        )


def test_a_ctrl_c_in_a_destructor_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        Destroyed(signal.raise_signal, signal.SIGINT)
        Event().wait(ENDS_S)

    with pytest.raises(Interrupted), interruptible():
        work()
    assert capfd.readouterr().err == ""


def test_other_errors_of_destructors_are_printed_as_usual(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda seen: printed.append(seen.exc_type))
    with interruptible():
        Destroyed(int, "x")
    assert printed == [ValueError]
