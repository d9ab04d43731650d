"""Fields whose possible values are registered elsewhere: one of several models, one of some words.

pydantic builds a union once, from the members that are known then. These fields look their members
up each time that a value is validated or a schema is made, so that what is registered later is
accepted, described and named in messages as well.
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
    """Annotates a field that holds one of several models, each written below its word.

    In YAML that is a mapping with one key, ``drop: {at: response}``, and a word alone means its
    defaults, unless the model says in its ``alone`` why not. The path of a mistake has the word in
    it.
    """

    noun: str
    """What a value should be, for messages."""
    models: Mapping[str, type[BaseModel]]
    """By their words; looked at anew each time."""

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
        """A member as it is, or its word and its fields."""
        if isinstance(value, dict) and len(value) == 1:  # what nearly every value is
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
        # Only members of another schema become references to definitions; a row of all has each.
        row = core_schema.tuple_schema([m.__pydantic_core_schema__ for m in self.models.values()])
        members = zip(self.models, handler(row)["prefixItems"], strict=True)
        return {"oneOf": [_form(kind, member) for kind, member in members]}


def _written(model: Any) -> dict[str, Any]:
    """A member as YAML has it, without what is as its defaults say."""
    data = model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {model.kind: data}


def _form(kind: str, member: JsonSchemaValue) -> JsonSchemaValue:
    """The schema of a member in YAML: its word alone, or its fields below its word."""
    below = {
        "type": "object",
        "properties": {kind: member},
        "required": [kind],
        "additionalProperties": False,
    }
    return {"anyOf": [{"const": kind}, below]}


@dataclass(frozen=True)
class OneWord:
    """Annotates a field that holds one of some words."""

    words: Callable[[], Iterable[str]]
    """Which; asked each time."""

    def _validated(self, value: Any) -> str:
        words = tuple(self.words())
        if not isinstance(value, str):
            raise ValueError(f"{shown(value)} is no word; write one of {', '.join(words)}")
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
