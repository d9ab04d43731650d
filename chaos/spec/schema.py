"""The JSON Schema of scenario files: ``python -m chaos.spec.schema FILE``.

Editors use the schema to complete, explain and check. pydantic generates a schema of the models,
which contain no generators. This module extends it: each value that may be drawn becomes a choice
between the value itself, a range if one is possible, and ``any:``. The schema is more permissive
than the loader, which alone checks the relations between fields.

Editors for YAML support draft 7 best, in which a ``$ref`` has no siblings, and pairs are lists.
``make docs`` writes ``scenarios/schema.json``, and a test fails if that file is out of date.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from chaos.spec.generators import size_text
from chaos.spec.loader import FIXED
from chaos.spec.scenario import Scenario
from chaos.spec.step import NESTED_STEP
from simulator.documents.quantities import SIZE_UNITS_BYTES
from wire.duration import UNITS_S, duration_text

Json: TypeAlias = dict[str, Any]

_NUMBER = r"[0-9]+(\.[0-9]+)?"
_DURATION = rf"{_NUMBER} ?({'|'.join(UNITS_S)})"
_SIZE = rf"[0-9]+ ?({'|'.join(filter(None, SIZE_UNITS_BYTES))})?"


def _range(of: str, end: str, example: str) -> Json:
    return {
        "description": f"Each example draws {of} in this range, both ends included.",
        "type": "string",
        "pattern": rf"^{end}\.\.{end}$",
        "examples": [example],
    }


RANGES = {
    "range.whole": _range("a whole number", "[0-9]+", "1..200"),
    "range.number": _range("a number", _NUMBER, "0..0.3"),
    "range.duration": _range("a duration", _DURATION, "0ms..2s"),
    "range.size": _range("a size", _SIZE, "1KiB..64KiB"),
}
"""The forms of ranges."""

NULL = {"not": {"type": ["array", "boolean", "number", "object", "string"]}}
"""``null``, in a form that editors do not offer."""

STEP = "Scenario.workload.item"
"""The name of the schema of one step, to which steps inside a step refer."""


def schema() -> Json:
    """Return the schema of a scenario file."""
    return _Opener(Scenario.model_json_schema(by_alias=True)).scenario()


def schema_text() -> str:
    """Return the text of the schema file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def alternatives(value: Json, defs: Json) -> Iterator[Json]:
    """Yield the alternatives of a value, without references."""
    if "$ref" in value:
        yield from alternatives(defs[_name_in(value)], defs)
    elif several := value.get("anyOf") or value.get("oneOf"):
        for one in several:
            yield from alternatives(one, defs)
    else:
        yield value


def is_duration(value: Json) -> bool:
    """Return whether a value is a duration in its text form."""
    return _matches(value, "1ms")


def is_size(value: Json) -> bool:
    """Return whether a value is a size in its text form."""
    return _matches(value, "1KiB")


def default_of(value: Json, defs: Json) -> Any:
    """Return the default of a field as a file writes it; None if it has none."""
    default, forms = value.get("default"), list(alternatives(value, defs))
    if isinstance(default, dict | list) or default == "":
        return None
    if isinstance(default, float) and any(map(is_duration, forms)):
        return duration_text(round(default * 1_000_000))
    if isinstance(default, int) and any(map(is_size, forms)):
        return size_text(default)
    return default


def _matches(value: Json, text: str) -> bool:
    return "pattern" in value and re.search(value["pattern"], text) is not None


def _name_in(reference: Json) -> str:
    return str(reference["$ref"]).removeprefix("#/$defs/")


def _reference(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}


def _with_one_key(key: str, items: Json, description: str) -> Json:
    """Return a mapping whose only key holds a list."""
    return {
        "description": description,
        "type": "object",
        "properties": {key: {"type": "array", "items": items, "minItems": 1}},
        "required": [key],
        "additionalProperties": False,
    }


def _flat(forms: list[Json]) -> list[Json]:
    """Return forms that are not choices themselves."""
    return [one for form in forms for one in form.get("anyOf", [form])]


def _by_type(forms: Json) -> Json:
    """Return a choice between words and mappings with one key as two: by the type of the value.

    From a choice of twenty forms an editor offers each key once for each form, and as the value of
    a key the word of the same name.
    """
    choice = forms.get("anyOf", [])
    words = [form["const"] for form in choice if "const" in form]
    mappings = [form for form in choice if len(form.get("required", ())) == 1]
    if not words or len(words) + len(mappings) < len(choice):
        return forms
    properties: Json = {}
    for form in mappings:
        (key,) = form["required"]
        about = {k: form[k] for k in ("description",) if k in form}
        properties[key] = about | form["properties"][key]
    return {
        "if": {"type": "string"},
        "then": {"enum": words},
        "else": {
            "type": "object",
            "properties": properties,
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
        },
    }


class _Opener:
    """Adds generators to pydantic's schema."""

    def __init__(self, raw: Json) -> None:
        self._raw = raw
        self._raw_defs: Json = raw["$defs"]
        self._defs: Json = {}
        self._opened: dict[str, str] = {}
        """The names of values that may be generators, by their schema as JSON."""

    def scenario(self) -> Json:
        """Return the whole schema."""
        properties: Json = {}
        # No title: editors show that of the root above every explanation.
        for key, value in self._raw["properties"].items():
            if key == "faults":
                properties[key] = self._described(value, self._faults(value))
            else:
                properties[key] = self._property("Scenario", key, value, key not in FIXED)
        return {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": properties,
            "required": self._raw["required"],
            "additionalProperties": False,
            "$defs": {name: _by_type(form) for name, form in self._defs.items()} | RANGES,
        }

    def _faults(self, value: Json) -> Json:
        """Return the schema of the list of faults, of which some may be left out."""
        item = self._open("faults.item", self._value("faults.item", value["items"]))
        text = "Each example takes some of these faults, or none."
        some = _with_one_key("some", item, text)
        self._defs[_name_in(item)]["anyOf"].append(some)
        return self._open("faults", {"anyOf": [{"type": "array", "items": item}, some]})

    def _property(self, owner: str, key: str, value: Json, is_open: bool = True) -> Json:
        found = self._value(f"{owner}.{key}", value, is_open)
        return self._described(value, self._open(f"{owner}.{key}", found) if is_open else found)

    def _described(self, value: Json, found: Json) -> Json:
        """Return a schema with the description and the default of its field."""
        model = self._raw_defs[_name_in(value)] if "$ref" in value else {}
        described: Json = {}
        if description := value.get("description") or model.get("description"):
            described["description"] = _plain(description)
        if (default := default_of(value, self._raw_defs)) is not None:
            described["default"] = default
        return described | ({"anyOf": [found]} if "$ref" in found else found)

    def _value(self, name: str, value: Json, is_open: bool = True) -> Json:
        """Return the same schema with generators inside."""
        if value.get("$comment") == NESTED_STEP:
            return _reference(STEP)
        if value == {"type": "null"}:
            return NULL
        if "$ref" in value:
            target = _name_in(value)
            if target not in self._defs:
                self._defs[target] = {}  # for recursive models
                self._defs[target] |= self._value(target, self._raw_defs[target], is_open)
            return _reference(target)
        if several := value.get("anyOf") or value.get("oneOf"):
            parts = [self._value(name, one, is_open) for one in several if self._can_be(one, value)]
            return {"anyOf": _flat(parts)}
        kept = {k: v for k, v in value.items() if k not in ("title", "default", "description")}
        if "description" in value and name in self._raw_defs:
            kept = {"description": _plain(value["description"]), **kept}
        if "properties" in kept:
            kept["properties"] = {
                key: self._property(name, key, field, is_open)
                for key, field in kept["properties"].items()
            }
        items = kept.get("items") or next(iter(kept.pop("prefixItems", ())), None)
        if items is not None:
            item = self._value(f"{name}.item", items, is_open)
            kept["items"] = self._open(f"{name}.item", item) if is_open else item
        return kept

    def _can_be(self, form: Json, forms: Json) -> bool:
        """Return whether a kind of fault or step can be written as its word alone."""
        if "const" not in form or len(forms.get("anyOf", ())) != 2:
            return True
        below = forms["anyOf"][1].get("properties", {}).get(form["const"])
        model = next(alternatives(below, self._raw_defs)) if below else {"type": "object"}
        return model["type"] == "object" and not model.get("required")

    def _open(self, name: str, value: Json) -> Json:
        """Return a reference to a value that may be a generator."""
        if value == _reference(STEP):
            return value  # its definition is open already
        text = json.dumps(value, sort_keys=True)
        if text not in self._opened:
            self._opened[text] = name
            forms = [value, *map(_reference, self._ranges(value))]
            forms.append(_with_one_key("any", _reference(name), "Each example takes one of these."))
            self._defs[name] = {"anyOf": _flat(forms)}
        return _reference(self._opened[text])

    def _ranges(self, value: Json) -> list[str]:
        """Return the kinds of ranges that can replace a value."""
        forms = list(alternatives(value, self._defs))
        if any(map(is_size, forms)):
            return ["range.size"]
        if any(map(is_duration, forms)):
            return ["range.duration"]
        types = {form.get("type") for form in forms}
        if "number" in types:
            return ["range.number"]
        return ["range.whole"] if "integer" in types else []


def _plain(text: str) -> str:
    """Return a docstring as editors show it."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text.replace("``", "`"))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
