"""The tables in the guide to scenarios, generated from the models: ``python -m chaos.spec.guide
FILE``.

A table is between two comments, ``<!-- keys of Scenario -->`` and ``<!-- end -->``, and is replaced
in place. ``make docs`` does this, and a test fails if the file is out of date.
"""

import re
import sys
from pathlib import Path

from pydantic import BaseModel

from chaos.spec.expectations import CallTimes, Expectations
from chaos.spec.scenario import (
    ClusterOptions,
    NetworkOptions,
    ProducerOptions,
    ReplicationOptions,
    RetryOptions,
    Scenario,
    TopicOptions,
)
from chaos.spec.schema import Json, alternatives, default_of, is_duration, is_size
from chaos.spec.step import STEPS

MODELS = {
    m.__name__: m
    for m in (
        Scenario,
        ClusterOptions,
        ReplicationOptions,
        TopicOptions,
        NetworkOptions,
        ProducerOptions,
        RetryOptions,
        Expectations,
        CallTimes,
    )
}
"""The models that can have a table of keys."""

_TABLE = re.compile(r"(<!-- (keys of (?P<model>\w+)|steps) -->\n).*?(<!-- end -->)", re.DOTALL)


def tables_rewritten(page: str) -> str:
    """Return a page with its tables generated from the models."""

    def table(found: re.Match[str]) -> str:
        name = found["model"]
        lines = keys(MODELS[name]) if name else steps()
        return "\n".join([found[1].rstrip(), *lines, found[4]])

    return _TABLE.sub(table, page)


def keys(model: type[BaseModel]) -> list[str]:
    """Return the table of the keys of a model."""
    return ["| key | value | default | meaning |", "|---|---|---|---|", *_rows(model)]


def steps() -> list[str]:
    """Return the table of all steps with their keys."""
    rows = ["| step | keys | what it does |", "|---|---|---|"]
    for word, step in STEPS.items():
        raw = step.model_json_schema(by_alias=True)
        raw |= next(alternatives(raw, raw.get("$defs", {})))  # the form with keys
        what = "<br>".join(
            f"`{key}`: {_value(field, raw)}{_default(field, raw, ', default ')}. {_text(field)}"
            for key, field in raw.get("properties", {}).items()
        )
        rows.append(_row(f"`{word}`", what or _own_value(raw), _text(raw)))
    return rows


def _rows(model: type[BaseModel]) -> list[str]:
    raw = model.model_json_schema(by_alias=True)
    defs = raw.get("$defs", {})
    rows = []
    for key, field in raw["properties"].items():
        required = "required" if key in raw.get("required", ()) else ""
        cells = (
            f"`{key}`",
            _value(field, raw),
            required or _default(field, raw),
            _text(field) or _text(next(alternatives(field, defs))),
        )
        rows.append(_row(*cells))
    return rows


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _text(field: Json) -> str:
    text = " ".join(str(field.get("description", "")).replace("``", "`").split())
    return text.replace("|", "\\|")


def _default(field: Json, raw: Json, before: str = "") -> str:
    default = default_of(field, raw.get("$defs", {}))
    if default is None:
        return ""
    return f"{before}`{str(default).lower() if isinstance(default, bool) else default}`"


def _own_value(raw: Json) -> str:
    """Return the value of a step that has no keys."""
    return "" if raw["type"] == "object" else _form(raw)


def _value(field: Json, raw: Json) -> str:
    """Describe the value of a key."""
    forms = [
        form for form in alternatives(field, raw.get("$defs", {})) if form.get("type") != "null"
    ]
    if any(map(is_size, forms)):
        return "a size"
    return " or ".join(map(_form, forms))


def _form(form: Json) -> str:
    if "enum" in form:
        return ", ".join(f"`{word}`" for word in form["enum"])
    if "const" in form:
        return f"`{form['const']}`"
    if is_duration(form):
        return "a duration"
    match form.get("type"):
        case "integer":
            most = f" to {form['maximum']}" if "maximum" in form else ""
            return f"a whole number from {form.get('minimum', 0)}{most}"
        case "array":
            inner = form.get("items", {})
            return f"a list of {_form(inner)}" if "enum" in inner else "a list"
        case "boolean":
            return "`true`, `false`"
        case "string":
            return str(form.get("description", "text"))
    only, *others = form.get("properties", {}) or ("",)
    return f"`{only}: ...`" if only and not others else "keys"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(tables_rewritten(page.read_text(encoding="utf-8")), encoding="utf-8")
