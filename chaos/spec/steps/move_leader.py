"""The step ``move_leader``."""

from typing import Any, ClassVar

from chaos.spec.step import Harness, Step
from simulator.documents.quantities import Index
from simulator.documents.strict_model import Strict


class MoveLeader(Strict, Step):
    """Makes another SPU the leader of a partition; the log moves with it."""

    kind: ClassVar[str] = "move_leader"
    example: ClassVar[Any] = {"to": 0}
    simulator_only: ClassVar[bool] = True

    partition: Index = 0
    """The partition."""
    to: Index
    """The new leader: an SPU, numbered from 0."""

    async def perform(self, run: Harness) -> None:
        """Move the leader."""
        run.simulator.move_leader(self.partition, self.to)
