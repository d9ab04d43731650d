"""SmartModule invocations, which are a part of produce requests.

Source: ``crates/fluvio-spu-schema/src/server/smartmodule.rs`` and
``crates/fluvio-smartmodule/src/input.rs``.
"""

from enum import IntEnum

from wire.codec.message import message, since
from wire.codec.types import blob, u32, u64


@message
class ElapsedTime:
    """A duration: whole seconds and nanoseconds."""

    seconds: u64
    nanoseconds: u32


@message(tag=0)
class Predefined:
    """A SmartModule that is stored in the cluster under a name."""

    name: str


@message(tag=1)
class AdHoc:
    """A SmartModule that is sent with the request: its WebAssembly, compressed with gzip."""

    wasm: blob


class PlainKind(IntEnum):
    """The kinds of SmartModule without fields."""

    FILTER = 0
    MAP = 1
    ARRAY_MAP = 2
    FILTER_MAP = 4


@message(tag=3)
class Aggregate:
    """An aggregation and its initial value."""

    accumulator: blob


@message(tag=5)
class Join:
    """A join with another topic."""

    topic: str


@message(tag=6)
class JoinStream:
    """A join with a derived stream."""

    topic: str
    derived_stream: str


class NoContext(IntEnum):
    """A generic SmartModule without a context."""

    NONE = 0


@message(tag=1)
class AggregateContext:
    """A generic SmartModule that aggregates."""

    accumulator: blob


@message(tag=2)
class JoinContext:
    """A generic SmartModule that joins a topic."""

    topic: str


@message(tag=3)
class JoinStreamContext:
    """A generic SmartModule that joins a derived stream."""

    topic: str
    derived_stream: str


@message(tag=7)
class Generic:
    """A SmartModule whose kind the SPU detects."""

    context: NoContext | AggregateContext | JoinContext | JoinStreamContext


@message
class Lookback:
    """The older records that the SmartModule reads first."""

    last: u64
    age: ElapsedTime | None = since(21, default=None)


@message
class Params:
    """The parameters of a SmartModule, by name."""

    inner: dict[str, str]
    lookback: Lookback | None = since(20, default=None)


@message
class SmartModuleInvocation:
    """One SmartModule to apply to the records."""

    wasm: Predefined | AdHoc
    kind: PlainKind | Aggregate | Join | JoinStream | Generic
    params: Params
    name: str | None = since(25, default=None)
