"""The step ``stop_spu``."""

from typing import ClassVar

from chaos.spec.step import Harness, Step
from simulator.documents.quantities import Index
from simulator.documents.strict_model import Strict


class StopSpu(Strict, Step):
    """Makes an SPU unreachable: its connections are reset, its logs are kept."""

    kind: ClassVar[str] = "stop_spu"
    simulator_only: ClassVar[bool] = True

    spu: Index = 0
    """The SPU, numbered from 0."""

    async def perform(self, run: Harness) -> None:
        """Stop the SPU."""
        await run.simulator.stop_spu(self.spu)
