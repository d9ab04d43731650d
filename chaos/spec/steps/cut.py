"""The step ``cut``."""

from typing import Any, ClassVar

from chaos.spec.step import Harness, Step
from simulator.documents.strict_model import Strict
from simulator.faults.model import ServerName


class Cut(Strict, Step):
    """Resets the connections of a server; its listener stays open."""

    kind: ClassVar[str] = "cut"
    example: ClassVar[Any] = {"server": "sc"}

    server: ServerName
    """The server: ``sc``, ``spu`` for all SPUs, or ``spu:N``, numbered from 0."""

    async def perform(self, run: Harness) -> None:
        """Reset the connections."""
        run.cluster.cut(self.server)
