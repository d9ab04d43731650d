"""The step ``wait``."""

from typing import ClassVar

from chaos.spec.step import Harness, Step
from simulator.documents.strict_model import Strict


class Wait(Strict, Step):
    """Waits until every record sent before is settled."""

    kind: ClassVar[str] = "wait"

    async def perform(self, run: Harness) -> None:
        """Wait."""
        await run.wait()
