"""The step ``add_partitions``."""

from typing import ClassVar

from chaos.spec.step import Harness, Step
from simulator.documents.quantities import Count
from simulator.documents.strict_model import Strict


class AddPartitions(Strict, Step):
    """Adds partitions to the topic; without effect while it does not exist."""

    kind: ClassVar[str] = "add_partitions"

    count: Count = 1
    """How many."""

    async def perform(self, run: Harness) -> None:
        """Add the partitions."""
        await run.cluster.add_partitions(self.count)
