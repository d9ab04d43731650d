"""The step ``send_all``."""

from typing import ClassVar

from chaos.spec.record_form import RecordForm
from chaos.spec.step import Harness, Step
from simulator.documents.quantities import Count


class SendAll(RecordForm, Step):
    """Sends records with one call."""

    kind: ClassVar[str] = "send_all"

    count: Count = 1
    """The number of records."""

    async def perform(self, run: Harness) -> None:
        """Send the records."""
        await run.send_all(self.count, self)
