"""The fields in which an answer of the simulator may differ from that of a real cluster.

Each entry names an API, fields and perhaps sessions, and says why the difference is intended. Every
field of an entry, in every session that the entry names, must excuse something: the list stays as
short as it can be.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from chaos.conformance.documents import load_document
from chaos.spec.scenario import NonEmptyText
from simulator.documents.strict_model import Strict

MAY_DIFFER_FILE = "may-differ.yaml"
"""The name of the list, in the folder of the recordings."""


@dataclass(frozen=True, slots=True)
class MayDiffer:
    """One field that may differ, in one session or in all; see ``MayDifferEntry``."""

    api: str
    field: str
    reason: str
    session: str | None = None
    server: Literal["sc", "spu"] | None = None

    def covers(self, session: str, server: str, api: str, path: Sequence[str]) -> bool:
        """Return whether this allows a difference.

        Args:
            session: the name of the session.
            server: the kind of server, ``sc`` or ``spu``.
            api: the API of the answer.
            path: the path of the field.
        """
        pattern = self.field.split(".")
        return (
            self.session in (None, session)
            and self.server in (None, server)
            and self.api == api
            and len(pattern) <= len(path)
            and all(map(fnmatchcase, path, pattern))
        )


class MayDifferEntry(Strict):
    """Fields that may differ for one reason."""

    sessions: Annotated[list[NonEmptyText], Field(min_length=1)] | None = None
    """The sessions in which they may; every session by default."""
    server: Literal["sc", "spu"] | None = None
    """The kind of server that answers; both by default."""
    api: NonEmptyText
    """The API of the answer; ``connection`` for a connection as a whole."""
    fields: Annotated[list[NonEmptyText], Field(min_length=1)]
    """The paths of the fields, for example ``Partition.*.status``; a path covers the fields below
    it, and ``*`` stands for any one name."""
    reason: NonEmptyText
    """Why the simulator differs on purpose, or cannot do otherwise."""

    def single(self) -> Iterator[MayDiffer]:
        """Yield each field in each session."""
        sessions: Sequence[str | None] = self.sessions or (None,)
        for session in sessions:
            for field in self.fields:
                yield MayDiffer(self.api, field, self.reason, session, self.server)


class MayDifferList(Strict):
    """The content of the list."""

    may_differ: list[MayDifferEntry]


def load_may_differ(path: Path) -> list[MayDiffer]:
    """Load a list.

    Raises:
        ConformanceFileError: the file cannot be read, or has mistakes.
    """
    entries = load_document(path, MayDifferList).may_differ
    return [single for entry in entries for single in entry.single()]
