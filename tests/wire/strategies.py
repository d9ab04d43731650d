"""Hypothesis strategies for messages, made from their declarations."""

from functools import cache
from typing import Any

from hypothesis import strategies as st

from wire.codec.schema import (
    Boolean,
    Bytes,
    Choice,
    Integer,
    Kind,
    Mapping,
    Option,
    Sequence,
    String,
    Struct,
    Tag,
    VarintBytes,
    fields_of,
)

_RANGES = {
    "B": (0, 2**8 - 1),
    "H": (0, 2**16 - 1),
    "I": (0, 2**32 - 1),
    "Q": (0, 2**64 - 1),
    "b": (-(2**7), 2**7 - 1),
    "h": (-(2**15), 2**15 - 1),
    "i": (-(2**31), 2**31 - 1),
    "q": (-(2**63), 2**63 - 1),
}


@cache
def messages(cls: type, version: int) -> st.SearchStrategy[Any]:
    """Any message of a class, with the fields of one version set and the others left out."""
    present = {f.name: values(f.kind, version) for f in fields_of(cls) if f.present(version)}
    return st.builds(cls, **present)


def values(kind: Kind, version: int) -> st.SearchStrategy[Any]:
    """Any value of a kind."""
    match kind:
        case Integer(width):
            return st.integers(*_RANGES[width])
        case Boolean():
            return st.booleans()
        case String():
            return st.text(st.characters(codec="utf-8"), max_size=20)
        case Bytes(reads=reads) if reads is not None:
            return st.lists(st.binary(min_size=4, max_size=50), max_size=3).map(_record_set)
        case Bytes() | VarintBytes():
            return st.binary(max_size=200)
        case Sequence(item):
            return st.lists(values(item, version), max_size=3)
        case Option(item):
            return st.none() | values(item, version)
        case Mapping(key, item):
            return st.dictionaries(values(key, version), values(item, version), max_size=3)
        case Struct(cls):
            return messages(cls, version)
        case Tag(cls, _):
            return st.sampled_from(list(cls))
        case Choice(_, variants, units):
            plain = [st.sampled_from(list(units))] if units else []
            return st.one_of(*plain, *(messages(cls, version) for _, cls in variants))


def _record_set(payloads: list[bytes]) -> bytes:
    """Batches with these payloads, whose headers are zero but for ``batch_len``."""
    return b"".join(
        bytes(8) + (45 + len(payload)).to_bytes(4, "big") + bytes(45) + payload
        for payload in payloads
    )
