"""The step ``with_producer``."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import ConfigDict, RootModel

from chaos.spec.step import Harness, NestedSteps, Step


class WithProducer(RootModel[NestedSteps], Step):
    """Performs steps with another producer of the same client, on the same topic. At the end its
    block is left, which settles all its records: ``with_producer: [send, flush]``."""

    model_config = ConfigDict(frozen=True)

    kind: ClassVar[str] = "with_producer"
    alone: ClassVar[str] = "with_producer needs a list of steps; write with_producer: [send, flush]"
    example: ClassVar[Any] = ["send"]

    @property
    def inside(self) -> Sequence[Step]:
        """The steps of the other producer."""
        return self.root

    async def perform(self, run: Harness) -> None:
        """Perform the steps."""
        await run.with_producer(self.root)
