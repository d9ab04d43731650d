"""The step ``sleep``."""

from typing import Any, ClassVar

from pydantic import ConfigDict, RootModel

from chaos.spec.step import Harness, Step
from simulator.documents.quantities import Duration


class Sleep(RootModel[Duration], Step):
    """Pauses the workload: ``sleep: 1s``."""

    model_config = ConfigDict(frozen=True)

    kind: ClassVar[str] = "sleep"
    alone: ClassVar[str] = "sleep needs a duration; write sleep: 1s"
    example: ClassVar[Any] = "1s"

    async def perform(self, run: Harness) -> None:
        """Sleep."""
        await run.sleep(self.root)
