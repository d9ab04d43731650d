"""The step ``wait``."""

from typing import Annotated, Any, ClassVar

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from chaos.spec.step import CancelAfter, Harness, Step
from simulator.documents.quantities import Index
from simulator.documents.strict_model import Strict

WAITS_MAX = 1_000
"""The most waits of one step."""


class Wait(Strict, Step):
    """Waits until every record sent before is settled; or, as ``wait: [2, 0, 0]``, for these
    records, one after the other."""

    kind: ClassVar[str] = "wait"

    ids: Annotated[list[Index], Field(min_length=1, max_length=WAITS_MAX)] | None = None
    """The records to wait for, by their position in the workload, in any order and more than
    once; by default all."""
    cancel_after: CancelAfter = None
    """When each wait is cancelled by its caller that has not ended by then."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"ids": value} if isinstance(value, list) else value

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        """Describe the list of ids alone as a second form."""
        keys = super().__get_pydantic_json_schema__(schema, handler)
        model = handler.resolve_ref_schema(keys)
        ids = [form for form in model["properties"]["ids"]["anyOf"] if form["type"] == "array"]
        return {"description": model["description"], "anyOf": [keys, *ids]}

    async def perform(self, run: Harness) -> None:
        """Wait."""
        if self.ids is None:
            await run.wait(self.cancel_after)
        else:
            await run.wait_for(self.ids, self.cancel_after)
