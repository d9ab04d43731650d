"""The rules that Fetch and StreamFetch share."""

from simulator.cluster.log import PartitionLog
from wire.codec import WireError
from wire.error_code import ErrorCode, OffsetEvicted, Other

RESPONSE_BYTES_MAX = 16 * 1024 * 1024
"""The maximum size of the batches after the first one in a response, whatever the client requests:
a short request could name one partition a hundred times, and a frame holds at most 64 MiB. Unlike
``max_bytes`` this limit cuts no batch."""

READ_UNCOMMITTED = 0
"""The isolation for all records."""

READ_COMMITTED = 1
"""The isolation for committed records only."""


def as_unsigned(bytes_max: int) -> int:
    """Return a ``max_bytes`` as an SPU reads it: below zero there is no limit."""
    return bytes_max % (1 << 32)


def check_isolation(isolation: int) -> None:
    """Check an isolation.

    Raises:
        WireError: an SPU does not know it, and closes the connection.
    """
    if isolation not in (READ_UNCOMMITTED, READ_COMMITTED):
        raise WireError(f"{isolation} is not an isolation")


def offset_error(offset: int, log: PartitionLog) -> ErrorCode | None:
    """Return the error of a read from an offset, or None if a log can be read from there."""
    if offset < log.start_offset:
        return OffsetEvicted(offset=offset, next_available=log.start_offset)
    if offset > log.end_offset:
        return Other(text=f"start offset: {offset} is greater than leo: {log.end_offset}")
    return None
