"""The step ``create_topic``."""

from typing import ClassVar

from chaos.spec.step import Harness, Step
from simulator.documents.quantities import Count
from simulator.documents.strict_model import Strict


class TopicCreation(Strict, Step):
    """Creates the topic again after ``delete_topic``; without effect while it exists."""

    kind: ClassVar[str] = "create_topic"

    partitions: Count = 1
    """The number of partitions."""

    async def perform(self, run: Harness) -> None:
        """Create the topic."""
        await run.cluster.create_topic(self.partitions)
