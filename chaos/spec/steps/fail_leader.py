"""The step ``fail_leader``."""

from typing import ClassVar

from chaos.spec.step import Harness, Step
from simulator.documents.quantities import Index
from simulator.documents.strict_model import Strict


class FailLeader(Strict, Step):
    """Stops the SPU that leads a partition; where there are replicas, 0.8 s later the SC elects
    one, and what that one lacks is gone."""

    kind: ClassVar[str] = "fail_leader"
    simulator_only: ClassVar[bool] = True

    partition: Index = 0
    """The partition."""

    async def perform(self, run: Harness) -> None:
        """Stop the SPU that leads."""
        await run.simulator.fail_leader(self.partition)
