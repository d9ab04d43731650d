"""Fields whose possible values come from a registry: one of several models, one of several words.

pydantic builds a union once, from the members that exist then. These fields look up their members
whenever a value is validated or a schema is generated, so members that are registered later are
also accepted, described and named in messages.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from simulator.documents.strict_model import details, hint, kind_of, one_known_kind, shown


@dataclass(frozen=True)
class OneOf:
    """Annotates a field that holds one of several models, each written below its kind.

    In YAML the value is a mapping with one key, ``drop: {at: response}``. A bare kind stands for
    its defaults, unless the ``alone`` of the model gives a reason against it. The path of an error
    includes the kind.
    """

    noun: str
    """The noun for a value in messages."""
    models: Mapping[str, type[BaseModel]]
    """The models by kind; looked up on each use."""

    def _validated(self, value: Any) -> BaseModel:
        known = self._known(value)
        if isinstance(known, BaseModel):
            return known
        kind, fields = known
        try:
            return self.models[kind].model_validate(fields)
        except ValidationError as error:
            raise ValidationError.from_exception_data(
                kind, details(error.errors(include_url=False), (kind,))
            ) from None

    def _known(self, value: Any) -> BaseModel | tuple[str, Any]:
        """Return a model unchanged, or else the kind and the fields of a value."""
        if isinstance(value, dict) and len(value) == 1:  # nearly every value
            ((kind, fields),) = value.items()
            if fields is not None and kind in self.models:
                return kind, fields
        value = one_known_kind(value, self.noun, self.models)
        if isinstance(value, BaseModel):
            return value
        kind = kind_of(value)
        if not isinstance(value, str):
            return kind, value[kind]
        if why := getattr(self.models[kind], "alone", ""):
            raise ValueError(why)
        return kind, {}

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._validated,
            serialization=core_schema.plain_serializer_function_ser_schema(_written),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        for model in self.models.values():
            model.model_rebuild()
        # Only members of another schema become references to definitions; a tuple of all models
        # makes each model such a member.
        row = core_schema.tuple_schema([m.__pydantic_core_schema__ for m in self.models.values()])
        members = zip(self.models, handler(row)["prefixItems"], strict=True)
        return {"oneOf": [_form(kind, member) for kind, member in members]}


def _written(model: Any) -> dict[str, Any]:
    """Return a model in its YAML form, without fields that equal their defaults."""
    data = model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {model.kind: data}


def _form(kind: str, member: JsonSchemaValue) -> JsonSchemaValue:
    """Return the schema of the YAML form: a bare kind, or a kind with its fields."""
    below = {
        "type": "object",
        "properties": {kind: member},
        "required": [kind],
        "additionalProperties": False,
    }
    return {"anyOf": [{"const": kind}, below]}


@dataclass(frozen=True)
class OneWord:
    """Annotates a field that holds one of several words."""

    words: Callable[[], Iterable[str]]
    """Returns the words; called on each use."""

    def _validated(self, value: Any) -> str:
        words = tuple(self.words())
        if not isinstance(value, str):
            raise ValueError(f"{shown(value)} is not a word; write one of {', '.join(words)}")
        if value not in words:
            raise ValueError(f"unknown word {shown(value)}{hint(value, words)}")
        return value

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validated)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "enum": list(self.words())}
