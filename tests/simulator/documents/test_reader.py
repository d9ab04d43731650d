import math

import pytest
from pydantic import ValidationError

from simulator.documents.diagnostic import shown_path
from simulator.documents.reader import NUMBER_CHARS_MAX, parse, resolved
from simulator.faults.fault_file import FaultFile


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("yes", "yes"),
        ("12", 12),
        ("-3", -3),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("2001-01-01", "2001-01-01"),
        ("1..2", "1..2"),
        ("9" * NUMBER_CHARS_MAX, int("9" * NUMBER_CHARS_MAX)),
        ("9" * (NUMBER_CHARS_MAX + 1), "9" * (NUMBER_CHARS_MAX + 1)),
    ],
)
def test_a_plain_scalar_is_what_yaml_1_2_says(text: str, value: object) -> None:
    found = resolved(text)
    assert found == value
    assert type(found) is type(value)


def test_what_is_quoted_is_text() -> None:
    assert parse("- '1'\n- \"true\"\n- |-\n 3\n").data == ["1", "true", "3"]


def test_a_document_explains_what_was_validated_below_something_else() -> None:
    document = parse("- drop: {nth: 0}\n")
    with pytest.raises(ValidationError) as caught:
        FaultFile.model_validate({"faults": document.data})
    document.explain(caught.value, above=1)
    [diagnostic] = document.diagnostics
    assert (diagnostic.line, diagnostic.column, diagnostic.path) == (1, 10, (0, "drop", "nth"))
    assert diagnostic.located("a.yaml", ("x",)).startswith("a.yaml:1:10: x[0].drop.nth: 0 is not")


def test_a_path_is_shown_as_people_write_it() -> None:
    assert shown_path(("faults", 1, "drop", "a.b")) == "faults[1].drop.'a.b'"
    assert shown_path((0, "client_id")) == "[0].client_id"
