"""One session from its files to its comparisons, and the sums over all sessions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chaos.conformance.compare import Comparison, compared
from chaos.conformance.fields import Own, belongs_to
from chaos.conformance.may_differ import MayDiffer
from chaos.conformance.recording import Recording, load_recording
from chaos.conformance.replay import replay_session
from chaos.conformance.setup import SessionSetup, load_setup, setup_path


@dataclass(frozen=True, slots=True)
class SessionResult:
    """The result of one session."""

    name: str
    comparisons: Sequence[Comparison] = ()
    missing: str = ""
    """Why it was not compared; empty if it was."""


def compare_session(path: Path, may_differ: Sequence[MayDiffer]) -> SessionResult:
    """Replay the session of a recording and compare both.

    A session without its setup is missing.

    Raises:
        RecordingError: the recording is none.
        ConformanceFileError: the setup has mistakes.
        WireError: a request does not decode.
    """
    recording = load_recording(path)
    if not setup_path(path).exists():
        return SessionResult(recording.name, missing=f"there is no {setup_path(path).name}")
    setup = load_setup(setup_path(path))
    again = replay_session(recording, setup)
    return SessionResult(
        recording.name, compared(recording, again, own_objects(recording, setup), may_differ)
    )


def own_objects(recording: Recording, setup: SessionSetup) -> Own:
    """Return what selects the objects of a session: those of its setup, and what it creates."""
    return belongs_to(setup.topic_names() | recording.created_topics())


@dataclass(slots=True)
class Totals:
    """The sums over all sessions."""

    results: Sequence[SessionResult]
    may_differ: Sequence[MayDiffer]
    complete: bool = True
    """Whether every session of the folder is among the results."""
    frames: Counter[str] = field(default_factory=Counter)
    """The frames of the recordings by outcome: equal, excused, different."""

    def __post_init__(self) -> None:
        for comparison in self.comparisons:
            self.frames[comparison.outcome] += comparison.frames

    @property
    def comparisons(self) -> list[Comparison]:
        """All comparisons."""
        return [each for result in self.results for each in result.comparisons]

    @property
    def different(self) -> list[Comparison]:
        """The comparisons with a difference that no entry of the list allows."""
        return [each for each in self.comparisons if each.unexcused]

    @property
    def missing(self) -> list[SessionResult]:
        """The sessions that were not compared."""
        return [result for result in self.results if result.missing]

    @property
    def idle(self) -> list[MayDiffer]:
        """What the list allows and nothing needs; not known while sessions are left out."""
        used = {d.excuse for each in self.comparisons for d in each.differences}
        return [each for each in self.may_differ if each not in used] if self.complete else []

    @property
    def passed(self) -> bool:
        """Whether nothing differs, nothing is idle, and no session is missing."""
        return not (self.different or self.idle or self.missing)
