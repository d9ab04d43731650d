"""The step ``leave``."""

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, RootModel

from chaos.spec.step import Harness, Step


class Leave(RootModel[Literal["error", "cancel"]], Step):
    """Leaves the block of ``with_producer`` early: ``leave: error``, by an exception of the
    application, which still settles all records; or ``leave: cancel``, which gives up at once what
    is open. The next call of the client makes a new producer."""

    model_config = ConfigDict(frozen=True)

    kind: ClassVar[str] = "leave"
    alone: ClassVar[str] = "leave needs a way out; write leave: error, or leave: cancel"
    example: ClassVar[Any] = "error"

    async def perform(self, run: Harness) -> None:
        """Leave the block."""
        await run.leave(cancelled=self.root == "cancel")
