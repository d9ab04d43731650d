"""The base class of all models that people write as YAML; it reports all errors together.

pydantic reports all invalid fields of a model, but runs a check of several fields only if every
field is valid, so a person would have to correct a file twice. Here such checks (``conflicts``)
inspect the unvalidated input, and their errors are reported with those of the fields. An unknown
key is reported with the known keys.
"""

import ast
import difflib
import inspect
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails

SHOWN_CHARS_MAX = 60
"""The longest part of an invalid value that a message repeats, so that the message stays short."""

T = TypeVar("T")


class Conflict(NamedTuple):
    """An error that concerns more than one field."""

    where: tuple[str | int, ...]
    """The path from the model to the field to change."""
    text: str
    """The error, and what to write instead."""


class Strict(BaseModel):
    """An immutable model that rejects unknown keys and reports all errors together."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    def to_data(self) -> dict[str, Any]:
        """Return the model as plain data, without fields that equal their defaults."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield errors that concern more than one field.

        Args:
            written: the fields before validation.
        """
        yield from ()

    @classmethod
    def described(cls) -> dict[str, str]:
        """Return the docstrings of the fields, those of the base classes among them.

        pydantic would look for them in the sources whenever a class is made, which takes longer
        than everything else about it. Only pages, schemas and help texts show them.
        """
        inherited = (base for base in cls.__mro__[:0:-1] if issubclass(base, Strict))
        found = dict(text for model in (*inherited, cls) for text in _docstrings(model))
        given = {n: f.description for n, f in cls.model_fields.items() if f.description}
        return found | given

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        found = handler(schema)
        fields = handler.resolve_ref_schema(found).get("properties", {})
        for name, text in cls.described().items():
            fields.get(name, {}).setdefault("description", text)
        return found

    @classmethod
    def unknown_key(cls, key: str) -> str:
        """Return the message about an unknown key."""
        return f"unknown key {shown(key)}{hint(key, cls.model_fields)}"

    @model_validator(mode="wrap")
    @classmethod
    def _name_every_mistake(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, Mapping):
            return handler(value)
        fields = cls.model_fields
        found = [
            Conflict((str(key),), cls.unknown_key(str(key))) for key in value if key not in fields
        ]
        return with_conflicts(cls.__name__, handler, value, [*found, *cls.conflicts(value)])


def _docstrings(model: type) -> Iterator[tuple[str, str]]:
    """Yield name and docstring of each field that the body of a class declares."""
    try:
        source = inspect.getsource(model)
    except (OSError, TypeError):  # made without a source file
        return
    [made] = ast.parse(textwrap.dedent(source)).body
    for field, below in pairwise(made.body if isinstance(made, ast.ClassDef) else ()):
        match field, below:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                yield name, inspect.cleandoc(text)


def with_conflicts(
    title: str, handler: Callable[[Any], T], value: Any, conflicts: Iterable[Conflict]
) -> T:
    """Validate a value with its handler; report conflicts together with the errors of the handler.

    Raises:
        ValidationError: the handler found an error, or there are conflicts.
    """
    errors: list[InitErrorDetails] = []
    try:
        result = handler(value)
    except ValidationError as error:
        # The conflicts already report unknown keys, together with the known ones.
        known = error.errors(include_url=False)
        errors += details([found for found in known if found["type"] != "extra_forbidden"])
    else:
        if not (conflicts := list(conflicts)):
            return result
    errors += [
        InitErrorDetails(
            type="value_error",
            loc=conflict.where,
            input=value,
            ctx={"error": ValueError(conflict.text)},
        )
        for conflict in conflicts
    ]
    raise ValidationError.from_exception_data(title, errors)


def details(
    errors: Iterable[ErrorDetails], above: tuple[str | int, ...] = ()
) -> list[InitErrorDetails]:
    """Convert the errors of one validation to errors of an enclosing one.

    Args:
        errors: the result of ``ValidationError.errors``.
        above: the prefix of their paths.
    """
    return [
        InitErrorDetails(
            type=found["type"],
            loc=(*above, *found["loc"]),
            input=found["input"],
            ctx=found.get("ctx", {}),
        )
        for found in errors
    ]


def shown(value: object) -> str:
    """Format a value for a message: on one line, quoted if it is text, truncated if it is long."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= SHOWN_CHARS_MAX else text[: SHOWN_CHARS_MAX - 3] + "..."


def hint(word: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown word: the closest known word, or all of them."""
    known = list(known)
    if not known:
        return "; no key is allowed here"
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; write one of {', '.join(known)}"


def one_known_kind(value: Any, noun: str, models: Mapping[str, type[BaseModel]]) -> Any:
    """Return the value if it is one of the models or has the YAML form of one.

    Args:
        value: the value before validation.
        noun: the noun for a value in messages.
        models: the models by kind.

    Raises:
        ValueError: the value is neither; the message says what to write.
    """
    if isinstance(value, tuple(models.values())):
        return value
    if isinstance(value, Mapping) and len(value) != 1:
        keys = f"this one has {len(value)} keys: {shown(', '.join(map(str, value)))}"
        raise ValueError(
            f"a {noun} is one kind with its fields below it,"
            f" but {keys if value else 'this one is empty'}; indent the fields below the kind"
        )
    kind = next(iter(value)) if isinstance(value, Mapping) else value
    if not isinstance(kind, str):
        raise ValueError(f"{shown(value)} is not a {noun}; write one of {', '.join(models)}")
    if kind not in models:
        raise ValueError(f"unknown kind {shown(kind)}{hint(kind, models)}")
    if isinstance(value, Mapping) and value[kind] is None:
        raise ValueError(f"{kind} has no fields below it; for its defaults write {kind}: {{}}")
    return value


def kind_of(value: Any) -> str:
    """Return the kind of a model, or of a value in the YAML form of one."""
    if isinstance(value, str):
        return value
    return str(next(iter(value))) if isinstance(value, Mapping) else str(value.kind)
