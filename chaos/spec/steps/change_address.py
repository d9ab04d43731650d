"""The step ``change_address``."""

from typing import ClassVar

from chaos.spec.step import Harness, Step
from simulator.documents.quantities import Index
from simulator.documents.strict_model import Strict


class ChangeAddress(Strict, Step):
    """Makes an SPU listen at another address, of which the SC tells; its connections are reset."""

    kind: ClassVar[str] = "change_address"
    simulator_only: ClassVar[bool] = True

    spu: Index = 0
    """The SPU, numbered from 0."""

    async def perform(self, run: Harness) -> None:
        """Change the address."""
        await run.simulator.change_address(self.spu)
