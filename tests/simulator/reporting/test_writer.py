import io
import threading
from typing import TextIO

import pytest

from simulator.reporting.writer import Writer

ENOUGH_S = 30.0


class Stuck(io.StringIO):
    """A file that takes nothing until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.let = threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        assert self.let.wait(ENOUGH_S)
        return super().write(text)


def unexpected(error: OSError) -> None:
    pytest.fail(str(error))


def test_text_is_written_in_order() -> None:
    file = io.StringIO()
    writer = Writer(lambda: file, unexpected)
    assert all(writer.put(f"{n}\n") for n in range(100))
    assert writer.finish(ENOUGH_S)
    assert file.getvalue() == "".join(f"{n}\n" for n in range(100))


def test_a_full_backlog_takes_only_what_is_needed() -> None:
    file = Stuck()
    writer = Writer(lambda: file, unexpected, backlog_max=10)
    assert writer.put("12345")
    assert file.entered.wait(ENOUGH_S)
    assert [writer.put(text) for text in ("67890", "x")] == [True, False]
    assert writer.put("summary", needed=True)
    assert writer.backlog == 17
    assert not writer.finish(0)
    file.let.set()
    assert writer.finish(ENOUGH_S)
    assert file.getvalue() == "1234567890summary"
    assert writer.put("x")


def test_an_error_ends_the_writing_and_is_told_once() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    told: list[OSError] = []
    heard = threading.Event()

    def failed(error: OSError) -> None:
        told.append(error)
        heard.set()

    writer = Writer(Full, failed)
    writer.put("a")
    assert heard.wait(ENOUGH_S)
    assert writer.put("b")
    assert not writer.finish(ENOUGH_S)
    assert [error.errno for error in told] == [28]


def test_a_file_that_is_slow_to_open_holds_nothing_up() -> None:
    let, file = threading.Event(), io.StringIO()

    def open_file() -> TextIO:
        assert let.wait(ENOUGH_S)
        return file

    writer = Writer(open_file, unexpected)
    assert writer.put("a")
    assert not writer.finish(0)
    let.set()
    assert writer.finish(ENOUGH_S)
    assert file.getvalue() == "a"


def test_a_file_that_is_closed_elsewhere_ends_the_writing_as_an_error_does() -> None:
    file, heard = io.StringIO(), threading.Event()
    told: list[OSError] = []

    def failed(error: OSError) -> None:
        told.append(error)
        heard.set()

    writer = Writer(lambda: file, failed)
    file.close()
    writer.put("a")
    assert heard.wait(ENOUGH_S)
    assert not writer.finish(ENOUGH_S)
    assert [error.strerror for error in told] == ["the file was closed"]
