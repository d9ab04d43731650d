"""The codec: encodes and decodes declared messages. It contains nothing specific to Fluvio's APIs.

``message``: declare, encode and decode a message.
``types``: the types of fields.
``schema``: a declared message as a tree of kinds.
``generate``: generated encoders and decoders.
``varint``: zig-zag varints.
``errors``: ``WireError``.
"""

from wire.codec.errors import WireError
from wire.codec.message import (
    decode,
    decode_from,
    decode_repeated,
    encode,
    encode_to,
    message,
    since,
)
from wire.codec.varint import read_varint, write_varint

__all__ = [
    "WireError",
    "decode",
    "decode_from",
    "decode_repeated",
    "encode",
    "encode_to",
    "message",
    "read_varint",
    "since",
    "write_varint",
]
