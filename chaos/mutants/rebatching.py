"""Operations on sealed batches, for defects that need more than a patch of a few lines."""

from wire.batch import decode_batch, encode_batch, encode_record
from wire.codec.types import Buffer
from wire.compression import Codec, compress

PAYLOAD_AT = 61
"""The offset of the payload: the length of the fixed header of a batch without a schema id."""


def without_last(batch: Buffer) -> bytes:
    """Return a batch without its last record; unchanged if it has only one."""
    header, records = decode_batch(batch)
    first = header.first_timestamp_ms
    kept = [
        encode_record(record.key, record.value, n, record.timestamp_ms - first)
        for n, record in enumerate(records[:-1] or records)
    ]
    return encode_batch(
        kept,
        first_timestamp_ms=first,
        max_timestamp_ms=header.max_timestamp_ms,
        codec=header.codec,
    )


def compressed(batch: Buffer) -> bytes:
    """Return a batch whose payload is compressed once more than its header declares."""
    header, _ = decode_batch(batch)
    sealed = bytes(batch)
    payload = sealed[PAYLOAD_AT:]
    squeezed = compress(Codec.GZIP, payload)
    length = header.batch_len + len(squeezed) - len(payload)
    return sealed[:8] + length.to_bytes(4, "big") + sealed[12:PAYLOAD_AT] + squeezed
