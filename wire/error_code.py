"""Fluvio's error codes: an i16 tag, followed by fields for some codes.

Source: ``crates/fluvio-protocol/src/link/error_code.rs``. Codes are not versioned on the wire: a
client that does not know a code cannot decode the response, so a server must send only codes that
its clients know. Every client knows these codes in a produce response: None, Other,
NotLeaderForPartition, RequestTimedOut, MessageTooLarge, StorageError, TopicNotFound and
CompressionError.

For a produced record every code answers two questions: is it worth another attempt
(``retriable``), and is the record certainly not stored (``certainly_not_stored``)?
"""

from enum import IntEnum
from typing import Annotated, ClassVar, TypeAlias

from wire.codec.message import message
from wire.codec.types import Fixed, i64, u8, u32, u64, varint_blob


class Code(IntEnum):
    """The codes without fields."""

    UNKNOWN_SERVER_ERROR = -1
    NONE = 0
    OFFSET_OUT_OF_RANGE = 1
    NOT_LEADER_FOR_PARTITION = 6
    MESSAGE_TOO_LARGE = 10
    PERMISSION_DENIED = 13
    STORAGE_ERROR = 56
    INVALID_CREATE_REQUEST = 60
    INVALID_DELETE_REQUEST = 61
    PARTITION_SHORT_CIRCUITED = 73
    SPU_ERROR = 1000
    SPU_REGISTERATION_FAILED = 1001  # the spelling is Fluvio's
    SPU_OFFLINE = 1002
    SPU_NOT_FOUND = 1003
    SPU_ALREADY_EXISTS = 1004
    TOPIC_ERROR = 2000
    TOPIC_NOT_FOUND = 2001
    TOPIC_ALREADY_EXISTS = 2002
    TOPIC_PENDING_INITIALIZATION = 2003
    TOPIC_INVALID_CONFIGURATION = 2004
    TOPIC_NOT_PROVISIONED = 2005
    TOPIC_INVALID_NAME = 2006
    TOPIC_DELETED = 2007
    TOPIC_INVALID_REPLICA_TYPE = 2008
    PARTITION_PENDING_INITIALIZATION = 3000
    PARTITION_NOT_LEADER = 3001
    FETCH_SESSION_NOT_FOUD = 3002  # the spelling is Fluvio's
    OFFSET_MANAGEMENT_DISABLED = 3004
    MAX_RETRY_REACHED = 3005
    MANAGED_CONNECTOR_ERROR = 5000
    MANAGED_CONNECTOR_NOT_FOUND = 5001
    MANAGED_CONNECTOR_ALREADY_EXISTS = 5002
    SMART_MODULE_ERROR = 6000
    TABLE_FORMAT_ERROR = 7000
    TABLE_FORMAT_NOT_FOUND = 7001
    TABLE_FORMAT_ALREADY_EXISTS = 7002
    DERIVED_STREAM_OBJECT_ERROR = 8000
    DERIVED_STREAM_JOIN_FETCH_ERROR = 8002
    COMPRESSION_ERROR = 9000
    DEDUPLICATION_SMART_MODULE_NOT_LOADED = 10000
    MIRROR_NOT_FOUND = 11001
    MIRROR_ALREADY_EXISTS = 11002
    MIRROR_PRODUCE_FROM_HOME = 11003
    MIRROR_DELETE_FROM_REMOTE = 11004
    MIRROR_INVALID_TYPE = 11005
    MIRROR_PRODUCE_FROM_REMOTE_NOT_ALLOWED = 11006

    @property
    def retriable(self) -> bool:
        """Whether another attempt can succeed: the leader moved, or the SPU may recover."""
        return self in (
            Code.NOT_LEADER_FOR_PARTITION,  # after the leader was looked up again
            Code.STORAGE_ERROR,
            Code.PARTITION_SHORT_CIRCUITED,
            Code.UNKNOWN_SERVER_ERROR,
        )


@message(tag=2)
class Other:
    """Any error that has no code of its own."""

    retriable: ClassVar[bool] = False
    text: str


@message(tag=7)
class RequestTimedOut:
    """The SPU stored the records, but they were not committed in time (ReadCommitted only)."""

    retriable: ClassVar[bool] = True
    timeout_ms: u64
    kind: u8 = 0  # 0 is Produce, the only kind there is


@message(tag=71)
class OffsetEvicted:
    """The offset is no longer in the log."""

    retriable: ClassVar[bool] = False
    offset: i64
    next_available: i64


@message(tag=72)
class PartitionFull:
    """The disk of the SPU is full."""

    retriable: ClassVar[bool] = False
    topic: str
    partition: u32


@message(tag=3003)
class OffsetFlushRequestError:
    """A consumer's offset could not be flushed."""

    retriable: ClassVar[bool] = False
    text: str


@message(tag=6001)
class SmartModuleNotFound:
    """No SmartModule of that name is loaded."""

    retriable: ClassVar[bool] = False
    name: str


@message(tag=6002)
class SmartModuleInvalid:
    """The SmartModule is not usable."""

    retriable: ClassVar[bool] = False
    error: str
    name: str | None


@message(tag=6003)
class SmartModuleInvalidExports:
    """The SmartModule is not of the requested kind."""

    retriable: ClassVar[bool] = False
    error: str
    kind: str


@message(tag=6004)
class SmartModuleRuntimeError:
    """The SmartModule failed on a record."""

    retriable: ClassVar[bool] = False
    hint: str
    offset: i64
    kind: u8  # 0 Filter, 1 Map, 2 ArrayMap, 3 Aggregate, 4 FilterMap, 5 Join, 6 Generic
    record_key: varint_blob | None
    record_value: varint_blob


@message(tag=6005)
class SmartModuleChainInitError:
    """The chain of SmartModules could not be set up."""

    retriable: ClassVar[bool] = False
    text: str


@message(tag=6006)
class SmartModuleInitError:
    """The initialization of a SmartModule failed."""

    retriable: ClassVar[bool] = False
    hint: str


@message(tag=6007)
class SmartModuleLookBackError:
    """A SmartModule failed while it read older records."""

    retriable: ClassVar[bool] = False
    text: str


@message(tag=6008)
class SmartModuleMemoryLimitExceeded:
    """A SmartModule requested more memory than its limit, in bytes."""

    retriable: ClassVar[bool] = False
    requested: u64
    max: u64


@message(tag=8001)
class DerivedStreamNotFound:
    """No derived stream of that name exists."""

    retriable: ClassVar[bool] = False
    name: str


@message(tag=8003)
class DerivedStreamInvalid:
    """The derived stream is not usable."""

    retriable: ClassVar[bool] = False
    name: str


@message(tag=10001)
class DeduplicationSmartModuleNameInvalid:
    """The topic names a deduplication filter that cannot exist."""

    retriable: ClassVar[bool] = False
    text: str


@message(tag=12001)
class SystemSpecDeletionAttempt:
    """A system object can only be deleted with force."""

    retriable: ClassVar[bool] = False
    kind: str
    name: str


@message(tag=12002)
class SystemSpecUpdatingAttempt:
    """A system object can only be changed with force."""

    retriable: ClassVar[bool] = False
    kind: str
    name: str


ErrorCode: TypeAlias = Annotated[
    Code
    | Other
    | RequestTimedOut
    | OffsetEvicted
    | PartitionFull
    | OffsetFlushRequestError
    | SmartModuleNotFound
    | SmartModuleInvalid
    | SmartModuleInvalidExports
    | SmartModuleRuntimeError
    | SmartModuleChainInitError
    | SmartModuleInitError
    | SmartModuleLookBackError
    | SmartModuleMemoryLimitExceeded
    | DerivedStreamNotFound
    | DerivedStreamInvalid
    | DeduplicationSmartModuleNameInvalid
    | SystemSpecDeletionAttempt
    | SystemSpecUpdatingAttempt,
    Fixed("h"),
]
"""The type of a field that holds an error code: a member of ``Code``, or a message with fields."""


def name_of(error: ErrorCode) -> str:
    """Return the name of the code as Fluvio spells it, for example ``NotLeaderForPartition``."""
    if isinstance(error, Code):
        return "".join(word.capitalize() for word in error.name.split("_"))
    return type(error).__name__


def certainly_not_stored(error: ErrorCode, *, read_committed: bool) -> bool:
    """Return whether the records of a produce entry with this code are certainly not in the log.

    Args:
        error: the code of the entry.
        read_committed: the isolation of the request. Under ReadCommitted the SPU may detect that it
            is not the leader after it has appended the records
            (``fluvio-spu/src/services/public/produce_handler.rs``, ``wait_for_acks``).
    """
    if error is Code.NOT_LEADER_FOR_PARTITION:
        return not read_committed
    return error in (Code.MESSAGE_TOO_LARGE, Code.COMPRESSION_ERROR, Code.TOPIC_NOT_FOUND)
