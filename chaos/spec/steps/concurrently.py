"""The step ``concurrently``."""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field, RootModel

from chaos.spec.step import BRANCHES_MAX, Harness, NestedSteps, Step


class Concurrently(
    RootModel[Annotated[list[NestedSteps], Field(min_length=2, max_length=BRANCHES_MAX)]], Step
):
    """Performs several lists of steps at once: ``concurrently: [[send, flush], [send, wait]]``. It
    ends when all of them have ended."""

    model_config = ConfigDict(frozen=True)

    kind: ClassVar[str] = "concurrently"
    alone: ClassVar[str] = (
        "concurrently needs lists of steps; write concurrently: [[send], [send, flush]]"
    )
    example: ClassVar[Any] = [["send"], ["send"]]

    @property
    def inside(self) -> Sequence[Step]:
        """The steps of all branches."""
        return [step for branch in self.root for step in branch]

    async def perform(self, run: Harness) -> None:
        """Perform all branches."""
        await run.concurrently(self.root)
