"""The base of everything that people write as YAML: models that name all their mistakes at once.

pydantic reports all bad fields of a model, but it stops there: a check that concerns two fields
runs only once every field is right, so that a reader would mend a file twice. Here such checks look
at what was written, not at what became of it (``conflicts``), and their findings join those of the
fields. The same place turns an unknown key into a line that names the known ones.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails

SHOWN_CHARS_MAX = 60
"""How much of a bad value a message repeats: enough to find it, and the message stays one line."""

T = TypeVar("T")


class Conflict(NamedTuple):
    """Something wrong that concerns more than one field."""

    where: tuple[str | int, ...]
    """Path from the model to the field that is to be changed."""
    text: str
    """What is wrong and what to write instead."""


class Strict(BaseModel):
    """A model that refuses unknown keys, cannot be changed, and names every mistake at once."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, defer_build=True
    )

    def to_data(self) -> dict[str, Any]:
        """The model as plain data that a person would write, without what has its default."""
        return self.model_dump(mode="json", by_alias=True, exclude_defaults=True)

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Find what fields do to each other.

        Args:
            written: the fields as they were written; nothing about their values is known yet.
        """
        yield from ()

    @model_validator(mode="wrap")
    @classmethod
    def _name_every_mistake(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, Mapping):
            return handler(value)
        found = [
            Conflict((str(key),), f"unknown key {shown(key)}{hint(str(key), cls.model_fields)}")
            for key in value
            if key not in cls.model_fields
        ]
        return with_conflicts(cls.__name__, handler, value, [*found, *cls.conflicts(value)])


def with_conflicts(
    title: str, handler: Callable[[Any], T], value: Any, conflicts: Iterable[Conflict]
) -> T:
    """Validate a value by its handler and report conflicts together with what the handler finds.

    Raises:
        ValidationError: something is wrong.
    """
    errors: list[InitErrorDetails] = []
    try:
        result = handler(value)
    except ValidationError as error:
        # An unknown key is among the conflicts, where the known ones are named.
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
    """The errors of one validation as parts of another one.

    Args:
        errors: what ``ValidationError.errors`` says.
        above: the path to put before theirs.
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
    """A value as a message repeats it: on one line, quoted if it is text, cut if it is long."""
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
    """The end of a message about an unknown word: the known one nearest to it, or all of them."""
    known = list(known)
    if not known:
        return "; no key can stand here"
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; write one of {', '.join(known)}"


def one_known_kind(value: Any, noun: str, models: Mapping[str, type[BaseModel]]) -> Any:
    """Let a model through, or what has the YAML form of one of several.

    Args:
        value: what was written.
        noun: what it should be, for messages.
        models: by their words.

    Raises:
        ValueError: it has not; the text says what to write.
    """
    if isinstance(value, tuple(models.values())):
        return value
    if isinstance(value, Mapping) and len(value) != 1:
        keys = f"{len(value)} keys are here: {shown(', '.join(map(str, value)))}"
        raise ValueError(
            f"a {noun} is one kind with its fields below it,"
            f" but {keys if value else 'here is none'}; indent the fields below the kind"
        )
    kind = next(iter(value)) if isinstance(value, Mapping) else value
    if not isinstance(kind, str):
        raise ValueError(f"{shown(value)} is not a {noun}; write one of {', '.join(models)}")
    if kind not in models:
        raise ValueError(f"unknown kind {shown(kind)}{hint(kind, models)}")
    if isinstance(value, Mapping) and value[kind] is None:
        raise ValueError(f"nothing stands below {kind}; for its defaults write {kind}: {{}}")
    return value


def kind_of(value: Any) -> str:
    """The word of a model, or of what has the YAML form of one."""
    if isinstance(value, str):
        return value
    return str(next(iter(value))) if isinstance(value, Mapping) else str(value.kind)
