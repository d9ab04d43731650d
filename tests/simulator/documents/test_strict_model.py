"""Models that people write as YAML."""

from simulator.documents.strict_model import Strict


class Walk(Strict):
    """A walk."""

    steps: int = 1
    """How many steps
    it has."""
    silent: bool = False
    other: str = ""
    """What else."""


class LongWalk(Walk):
    """A walk with breaks."""

    breaks: int
    """How many breaks it has."""
    steps: int = 100
    """At least a hundred."""
    other: str = "all"


def test_the_docstring_below_a_field_describes_it() -> None:
    assert Walk.described() == {"steps": "How many steps\nit has.", "other": "What else."}


def test_fields_of_a_base_class_are_described_unless_they_are_declared_again() -> None:
    assert LongWalk.described()["breaks"] == "How many breaks it has."
    assert LongWalk.described()["steps"] == "At least a hundred."


def test_a_schema_has_the_descriptions() -> None:
    fields = LongWalk.model_json_schema()["properties"]
    assert fields["steps"]["description"] == "At least a hundred."
    assert "description" not in fields["silent"]


def test_a_class_without_a_source_file_has_no_descriptions() -> None:
    made = type("Made", (Walk,), {"__module__": __name__, "__annotations__": {"more": int}})
    assert issubclass(made, Strict)
    assert made.described() == Walk.described()
