"""The step ``start_spu``."""

from typing import ClassVar

from chaos.spec.step import Harness, Step
from simulator.documents.quantities import Index
from simulator.documents.strict_model import Strict


class StartSpu(Strict, Step):
    """Makes a stopped SPU listen again; it serves each partition after its ``recovery`` time."""

    kind: ClassVar[str] = "start_spu"
    simulator_only: ClassVar[bool] = True

    spu: Index = 0
    """The SPU, numbered from 0."""

    async def perform(self, run: Harness) -> None:
        """Start the SPU."""
        await run.simulator.start_spu(self.spu)
