"""The fields in which an answer of the simulator may differ from that of a real cluster.

Each entry names the fields and says why the difference is intended. An entry that excuses nothing
is an error: the list stays as short as it can be.
"""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from chaos.conformance.documents import load_document
from chaos.spec.scenario import NonEmptyText
from simulator.documents.strict_model import Conflict, Strict

MAY_DIFFER_FILE = "may-differ.yaml"
"""The name of the list, in the folder of the recordings."""


class MayDiffer(Strict):
    """One kind of intended difference."""

    session: NonEmptyText | None = None
    """The session in which it is; every session by default."""
    server: Literal["sc", "spu"] | None = None
    """The kind of server that answers; both by default."""
    api: NonEmptyText
    """The API of the answer; ``connection`` for a connection as a whole."""
    field: NonEmptyText
    """The path of the field, for example ``Partition.*.status``; it covers the fields below it, and
    ``*`` stands for any one name."""
    reason: NonEmptyText
    """Why the simulator differs on purpose, or cannot do otherwise."""

    def covers(self, session: str, server: str, api: str, path: Sequence[str]) -> bool:
        """Return whether a difference is one of this kind.

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


class MayDifferList(Strict):
    """The content of the list."""

    may_differ: list[MayDiffer]

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield an error for each entry that is written twice."""
        entries = written.get("may_differ")
        seen: set[tuple[Any, ...]] = set()
        for n, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, Mapping):
                named = tuple(map(str, map(entry.get, ("session", "server", "api", "field"))))
                if named in seen:
                    yield Conflict(("may_differ", n), "another entry names the same fields")
                seen.add(named)


def load_may_differ(path: Path) -> list[MayDiffer]:
    """Load a list.

    Raises:
        ConformanceFileError: the file cannot be read, or has mistakes.
    """
    return load_document(path, MayDifferList).may_differ
