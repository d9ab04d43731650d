"""The codec: how a declared message becomes bytes. It knows bytes and knows no Fluvio."""

from wire.codec.errors import WireError
from wire.codec.message import decode, decode_from, encode, encode_to, message, since
from wire.codec.varint import read_varint, write_varint

__all__ = [
    "WireError",
    "decode",
    "decode_from",
    "encode",
    "encode_to",
    "message",
    "read_varint",
    "since",
    "write_varint",
]
