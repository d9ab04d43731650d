"""Values and keys of every form, each with the id of its record where there is room."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from chaos.spec.record_form import BINARY, ID_BYTES, KEY_BYTES_MAX, RecordForm, filled

FILLINGS = ("text", "unicode", "binary")


def form(**fields: Any) -> RecordForm:
    return RecordForm.model_validate(fields)


@given(
    st.sampled_from(FILLINGS),
    st.integers(ID_BYTES, 600),
    st.lists(st.integers(0, 2**32 - 1), min_size=2, unique=True),
)
def test_a_value_has_its_size_and_the_id_of_its_record(
    filling: str, size: int, ids: list[int]
) -> None:
    values = [form(value=filling, size=size).value_of(n) for n in ids]
    assert {len(value) for value in values} == {size}
    assert len(set(values)) == len(ids)
    assert [int(value[:ID_BYTES], 16) for value in values] == ids


def test_the_fillings_are_what_they_say() -> None:
    assert form(value="text", size=300).value_of(1).isascii()
    text = form(value="unicode", size=300).value_of(1).decode()
    assert {len(character.encode()) for character in text} == {1, 2, 3, 4}
    binary = form(value="binary", size=300).value_of(1)
    assert set(binary) == set(BINARY)
    with pytest.raises(UnicodeDecodeError):
        binary.decode()
    assert form(value="empty").value_of(1) == b""


def test_keys_are_used_in_turn_and_have_at_least_their_size() -> None:
    keys = [form(keys=3, key_size=20).key_of(n, n) for n in range(6)]
    assert keys[:3] == keys[3:]
    assert len(set(keys)) == 3
    assert {len(key or b"") for key in keys} == {20}
    assert form(keys=2).key_of(1, 9) == b"key-1"


def test_no_key_and_an_empty_key_differ() -> None:
    assert form(keys=0, key="empty").key_of(0, 0) is None
    assert form(keys=1, key="empty").key_of(0, 0) == b""


def test_the_key_of_an_empty_value_holds_the_id() -> None:
    keys = [form(value="empty", keys=1).key_of(n, n) for n in range(5)]
    assert keys == [b"%08x" % n for n in range(5)]
    assert form(value="empty").key_of(0, 0) is None


@given(st.sampled_from(FILLINGS), st.binary(max_size=20), st.integers(0, 100))
def test_a_filling_never_cuts_its_start(filling: Any, start: bytes, size: int) -> None:
    found = filled(start, filling, size)
    assert found.startswith(start)
    assert len(found) == max(size, len(start))


def test_a_key_has_a_longest_size() -> None:
    assert form(key_size="64KiB").key_size == KEY_BYTES_MAX
    with pytest.raises(ValidationError, match="more than 65,536, the most of a key"):
        form(key_size=KEY_BYTES_MAX + 1)
