"""The step ``send``."""

from typing import ClassVar

from pydantic import StrictBool

from chaos.spec.record_form import RecordForm
from chaos.spec.step import CancelAfter, Harness, Step
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
    cancel_after: CancelAfter = None
    """When each send is cancelled by its caller that has not returned by then."""

    async def perform(self, run: Harness) -> None:
        """Send the records."""
        await run.send(
            self.count,
            self,
            wait=self.wait,
            pace=self.pace,
            cancel_after=self.cancel_after,
        )
