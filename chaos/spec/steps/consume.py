"""The step ``consume``."""

from typing import ClassVar

from chaos.spec.consume_terms import ConsumeTerms
from chaos.spec.step import Harness, Step


class Consume(ConsumeTerms, Step):
    """Reads the topic with a consumer of its own, whose connections are struck by faults, too. It
    connects again after a failure and goes on behind the last record that it has read. Inside
    ``concurrently`` it reads while other branches send."""

    kind: ClassVar[str] = "consume"

    async def perform(self, run: Harness) -> None:
        """Read."""
        await run.consume(self)
