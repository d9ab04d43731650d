"""The form of the records that a step sends: their values and keys.

Each record can be told apart by the id that the harness puts at the start of its value, in eight
hexadecimal digits. An empty value has no room for it; then the key holds the id. A record with
neither has none: it is judged by count.
"""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from simulator.documents.quantities import Index, Size, parse_size
from simulator.documents.strict_model import Strict

ID_BYTES = 8
"""The length of the record id at the start of each value: the smallest size of a value."""


def _value_size(value: object) -> int:
    size = parse_size(value)
    if size < ID_BYTES:
        raise ValueError(f"{size} bytes do not hold the id of a record; write {ID_BYTES} or more")
    return size


ValueSize = Annotated[
    int,
    PlainValidator(_value_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": ID_BYTES},
                {"type": "string", "pattern": "^[0-9]+ ?(KiB|MiB|GiB)?$", "examples": ["1KiB"]},
            ]
        }
    ),
]
"""The size of a value in bytes; each value starts with the id of its record."""


KEY_BYTES_MAX = 64 * 1024
"""The longest key; each record of a scenario may have its own."""

UNICODE = "äß→日本語😀\u0301\u200b"
"""Text beyond ASCII: two, three and four bytes in UTF-8, a combining and an invisible character."""

BINARY = bytes(range(256))[::-1]
"""Every byte, of which most sequences are no UTF-8."""


def _key_size(size: int) -> int:
    if size > KEY_BYTES_MAX:
        raise ValueError(f"{size} bytes are more than {KEY_BYTES_MAX:,}, the most of a key")
    return size


Filling = Literal["text", "unicode", "binary", "empty"]

NO_LINES: Collection[Filling] = ("binary", "empty")
"""Values that cannot be told apart as lines of text."""


class RecordForm(Strict):
    """Values and keys of the records of one step."""

    size: ValueSize = 100
    """Bytes of each value; it starts with the record's id."""
    value: Filling = "text"
    """What values hold behind the id: ASCII text, text beyond ASCII, all bytes, or nothing at all,
    not even the id. With `empty` the id stands at the start of the key, so that keys differ."""
    keys: Index = 0
    """The number of different keys, used in turn; 0 for no key."""
    key: Filling = "text"
    """What keys hold; `empty` for an empty key, which differs from no key."""
    key_size: Annotated[Size, AfterValidator(_key_size)] = 0
    """Bytes of each key, if it would be shorter."""

    def value_of(self, record_id: int) -> bytes:
        """Return the value of a record."""
        if self.value == "empty":
            return b""
        return filled(b"%08x" % record_id, self.value, self.size)

    def key_of(self, n: int, record_id: int) -> bytes | None:
        """Return the key of a record.

        Args:
            n: its position among the records of the step.
            record_id: its id.
        """
        if not self.keys:
            return None
        if self.key == "empty":
            return b""
        start = b"%08x" % record_id if self.value == "empty" else b"key-%d" % (n % self.keys)
        return filled(start, self.key, self.key_size)


def filled(start: bytes, filling: Filling, size: int) -> bytes:
    """Return bytes of a size that begin with ``start``; ``start`` alone if it is no shorter."""
    room = size - len(start)
    if room <= 0:
        return start
    match filling:
        case "unicode":
            text = (UNICODE * (room // len(UNICODE.encode()) + 1)).encode()[:room]
            return (start + text.decode(errors="ignore").encode()).ljust(size, b".")
        case "binary":
            return start + (BINARY * (room // len(BINARY) + 1))[:room]
    return start.ljust(size, b".")
