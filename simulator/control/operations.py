"""The operations of the control API, one function for each.

A function that ``@operation`` declares is a route of the HTTP API, an entry in its OpenAPI
document, and a command of ``spu-simulator ctl``, all under one name: that of the method of
``Simulator``. Its parameters say what it takes: ``body`` is the JSON of the request, a parameter
with a default is part of the query, any other one is part of the path.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, get_type_hints

import trio
from pydantic import ConfigDict, Field, TypeAdapter, with_config

from simulator.control.state import ConnectionState, PartitionState, RecordState, record_states
from simulator.documents.quantities import Count, Index
from simulator.documents.strict_model import Strict
from simulator.faults.armed import FaultCount
from simulator.faults.fault_list import OneFault
from simulator.options import SimulatorError
from simulator.reporting.summary import PartitionSummary
from simulator.serving.server import Simulator
from wire.codec import WireError

COUNTING_S = 0.05
"""The time, in real seconds, for counting distinct records: the simulator serves nothing then."""

RECORDS_MAX = 1_000
"""The maximum number of records in an answer."""

RECORDS_CHARS_MAX = 1024 * 1024
"""The number of characters of keys and values behind which no further record is in an answer."""

Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True)
class Operation:
    """One operation of the control API."""

    name: str
    method: Method
    path: str
    """The path, with parameters in braces."""
    run: Callable[..., Awaitable[Any]]
    path_types: Mapping[str, TypeAdapter[Any]]
    """The types of the parameters in the path."""
    query: Mapping[str, tuple[TypeAdapter[Any], Any]]
    """By parameter of the query, its type and its default."""
    body: TypeAdapter[Any] | None
    """The type of the body; None if there is no body."""
    body_type: Any
    result: TypeAdapter[Any]

    @property
    def summary(self) -> str:
        """What it does, in one sentence."""
        return (inspect.getdoc(self.run) or "").partition("\n")[0]

    def offered_by(self, server: object) -> bool:
        """Return whether a server has the operation: a simulator has all, a proxy some."""
        return self.name == "info" or hasattr(server, self.name)


OPERATIONS: dict[str, Operation] = {}
"""Every operation, by name."""

_Function: TypeAlias = Callable[..., Awaitable[Any]]


def operation(method: Method, path: str) -> Callable[[_Function], _Function]:
    """Declare a function as an operation."""

    def declare(function: _Function) -> _Function:
        hints = get_type_hints(function, include_extras=True)
        parameters = inspect.signature(function).parameters
        path_types, query = {}, {}
        for name, parameter in parameters.items():
            if name in ("sim", "body"):
                continue
            if parameter.default is parameter.empty:
                path_types[name] = TypeAdapter(hints[name])
            else:
                query[name] = (TypeAdapter(hints[name]), parameter.default)
        body_type = hints.get("body")
        OPERATIONS[function.__name__.removeprefix("_")] = Operation(
            name=function.__name__.removeprefix("_"),
            method=method,
            path=path,
            run=function,
            path_types=path_types,
            query=query,
            body=None if body_type is None else TypeAdapter(body_type),
            body_type=body_type,
            result=TypeAdapter(hints["return"]),
        )
        return function

    return declare


# --- looking


@with_config(ConfigDict(extra="forbid"))
@dataclass(frozen=True, slots=True)
class SimulatorInfo:
    """What a simulator is."""

    address: str
    """The address of the SC for clients."""
    spu_addresses: list[str]
    """The addresses of the SPUs for clients."""
    seed: int
    """The random seed."""
    elapsed_s: float
    """The time since it was ready, in seconds, which is the time of events."""


@dataclass(frozen=True, slots=True)
class SummaryState:
    """What a simulator did so far; ``docs/simulator.md`` explains the fields."""

    partitions: dict[str, PartitionSummary]
    faults: dict[str, FaultCount]
    connections: int
    frames: int
    unanswered_records: int
    not_served: dict[str, int]


@operation("GET", "/info")
async def _info(sim: Simulator) -> SimulatorInfo:
    """Tell its addresses, its seed and its age."""
    return SimulatorInfo(sim.address, sim.spu_addresses, sim.seed, round(sim.elapsed(), 6))


@operation("GET", "/summary")
async def _summary(sim: Simulator) -> SummaryState:
    """Tell what it did so far, as the summary at its end does."""
    begun = trio.current_time()
    found = sim.summary(hurry=lambda: trio.current_time() > begun + COUNTING_S)
    return SummaryState(
        partitions=dict(found.partitions),
        faults=dict(found.faults),
        connections=found.connections,
        frames=found.frames,
        unanswered_records=found.unanswered_records,
        not_served=dict(found.not_served),
    )


@operation("GET", "/partitions")
async def _partitions(sim: Simulator) -> list[PartitionState]:
    """List the partitions: their leaders, and how many records they hold."""
    return sim.partitions()


@operation("GET", "/partitions/{topic}/{partition}/records")
async def _log(
    sim: Simulator,
    topic: str,
    partition: Index,
    first: Index = 0,
    count: Annotated[int, Field(ge=1, le=RECORDS_MAX)] = 100,
) -> list[RecordState]:
    """List the records of a partition from an offset on."""
    found = sim.cluster.partition(topic, partition)
    if found is None:
        raise SimulatorError(f"no partition {topic}/{partition}")
    try:
        return record_states(found.log, first, count, RECORDS_CHARS_MAX)
    except WireError as error:
        raise SimulatorError(f"a stored batch does not decode: {error}") from error


@operation("GET", "/connections")
async def _connections(sim: Simulator) -> list[ConnectionState]:
    """List the open connections."""
    return sim.connections()


# --- faults


@operation("GET", "/faults")
async def _list_faults(sim: Simulator) -> list[OneFault]:
    """List the faults in the order in which they are evaluated."""
    return sim.list_faults()


@operation("POST", "/faults")
async def _add_faults(sim: Simulator, body: list[OneFault]) -> list[str]:
    """Add faults, as in a faults file, and return their names."""
    return sim.add_faults(*body)


@operation("PUT", "/faults/{name}")
async def _change_fault(sim: Simulator, name: str, body: OneFault) -> None:
    """Put a fault in the place of the one of this name."""
    sim.change_fault(name, body)


@operation("DELETE", "/faults/{name}")
async def _remove_fault(sim: Simulator, name: str) -> None:
    """Remove a fault."""
    sim.remove_fault(name)


@operation("DELETE", "/faults")
async def _clear_faults(sim: Simulator) -> None:
    """Remove all faults."""
    sim.clear_faults()


@operation("POST", "/heal")
async def _heal(sim: Simulator) -> None:
    """Remove all faults, start all SPUs, reset connections that a fault left hanging."""
    await sim.heal()


@operation("POST", "/reset")
async def _reset(sim: Simulator) -> None:
    """Return to the start: topics, logs, faults, counters and connections."""
    await sim.reset()


# --- the cluster


class NewTopic(Strict):
    """A topic to create."""

    topic: str
    """The name of the topic."""
    partitions: Count = 1
    """The number of partitions."""


class MorePartitions(Strict):
    """Partitions to add."""

    count: Count = 1
    """The number of partitions to add."""


class NewLeader(Strict):
    """A leader to move to."""

    to: Index
    """The SPU, numbered from 0."""


class CutServer(Strict):
    """A server whose connections are reset."""

    server: str
    """``sc``, ``spu`` for all SPUs, or ``spu:N``."""


@operation("POST", "/topics")
async def _create_topic(sim: Simulator, body: NewTopic) -> None:
    """Create a topic."""
    sim.create_topic(body.topic, body.partitions)


@operation("DELETE", "/topics/{topic}")
async def _delete_topic(sim: Simulator, topic: str) -> None:
    """Delete a topic with its logs."""
    sim.delete_topic(topic)


@operation("POST", "/topics/{topic}/partitions")
async def _add_partitions(sim: Simulator, topic: str, body: MorePartitions) -> None:
    """Add partitions to a topic."""
    sim.add_partitions(topic, body.count)


@operation("PUT", "/partitions/{topic}/{partition}/leader")
async def _move_leader(sim: Simulator, topic: str, partition: Index, body: NewLeader) -> None:
    """Make an SPU the leader of a partition; the log goes along."""
    sim.move_leader(topic, partition, body.to)


@operation("POST", "/spus/{spu}/stop")
async def _stop_spu(sim: Simulator, spu: Index) -> None:
    """Stop an SPU: its listener is closed, its connections are reset, its logs are kept."""
    await sim.stop_spu(spu)


@operation("POST", "/spus/{spu}/start")
async def _start_spu(sim: Simulator, spu: Index) -> None:
    """Start an SPU that was stopped."""
    await sim.start_spu(spu)


@operation("POST", "/spus/{spu}/change-address")
async def _change_address(sim: Simulator, spu: Index) -> None:
    """Have an SPU listen on another port; its connections are reset."""
    await sim.change_address(spu)


@operation("POST", "/cut")
async def _cut(sim: Simulator, body: CutServer) -> None:
    """Reset the connections of a server; its listener stays open."""
    sim.cut(body.server)
