"""The step ``delete_topic``."""

from typing import ClassVar

from chaos.spec.step import Harness, Step
from simulator.documents.strict_model import Strict


class TopicDeletion(Strict, Step):
    """Deletes the topic with its logs; without effect while it does not exist."""

    kind: ClassVar[str] = "delete_topic"

    async def perform(self, run: Harness) -> None:
        """Delete the topic."""
        await run.cluster.delete_topic()
