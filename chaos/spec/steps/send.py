"""The step ``send``."""

from typing import ClassVar

from pydantic import StrictBool

from chaos.spec.record_form import RecordForm
from chaos.spec.step import Harness, Step
from simulator.documents.quantities import Count, Duration


class Send(RecordForm, Step):
    """Sends records one by one, as fast as the producer accepts them."""

    kind: ClassVar[str] = "send"

    count: Count = 1
    """The number of records."""
    pace: Duration = 0.0
    """How long to wait after each record."""
    wait: StrictBool = False
    """Whether each record is settled before the next one is sent."""

    async def perform(self, run: Harness) -> None:
        """Send the records."""
        await run.send(self.count, self, wait=self.wait, pace=self.pace)
