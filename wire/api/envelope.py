"""The object envelope of the SC's APIs, as of version 11: a label, and the typed body as bytes.

Source: ``crates/fluvio-sc-schema/src/objects/metadata.rs``. The label is case-sensitive.
"""

from typing import Any, TypeVar

from wire.codec.message import decode, encode, message
from wire.codec.types import blob

TOPIC = "Topic"
PARTITION = "Partition"
SPU = "SPU"
CUSTOM_SPU = "CustomSpu"
SPU_GROUP = "SpuGroup"
SMART_MODULE = "SmartModule"
TABLE_FORMAT = "TableFormat"
MIRROR = "Mirror"

M = TypeVar("M")


@message
class Envelope:
    """A typed body, encoded at the version of the enclosing message."""

    label: str
    body: blob

    def open(self, cls: type[M], version: int) -> M:
        """Decode the body as a ``cls``.

        Raises:
            WireError: the body is not a ``cls``.
        """
        return decode(cls, self.body, version)


def seal(label: str, body: Any, version: int) -> Envelope:
    """Encode a message at a version and put it into an envelope."""
    return Envelope(label=label, body=encode(body, version))
