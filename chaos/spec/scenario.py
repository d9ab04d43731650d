"""The models of a scenario, into which its YAML is read.

A scenario is one experiment: a cluster, a producer, faults, and a workload. Each key has one value.
A file with generators (``count: 1..200``) is a property, from which concrete scenarios are drawn
(``property.py``); these models contain no generators.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    WithJsonSchema,
)

import chaos.spec.steps  # noqa: F401  registers every step
from chaos.spec.expectations import Expectations, missing_word
from chaos.spec.step import OneStep
from chaos.spec.workload import WrittenStep, misplaced, unsent, written_steps
from simulator.documents.quantities import (
    Count,
    Duration,
    Index,
    Size,
    parse_size,
)
from simulator.documents.strict_model import Conflict, Strict, kind_of, shown
from simulator.faults.distributions import NO_DELAY, Constant, Distribution
from simulator.faults.fault_list import FaultList
from wire.duration import NUMBER_CHARS_MAX
from wire.framing import FRAME_BYTES_MAX
from wire.topic_name import SYSTEM_TOPIC, check_topic_name

RECORDS_MAX = 1_000_000
"""The most records of a scenario; each takes about a kilobyte of memory until it is judged."""

BYTES_MAX = 512 * 1024 * 1024
"""The most bytes of all values of a scenario, which are in memory until they are judged."""

REPLICAS_MIN, REPLICAS_MAX = 2, 3
"""The replicas of a partition that is replicated; more of them show nothing that three do not."""

PARTITIONS_MAX = 1_000
SPUS_MAX = 100
"""Each partition costs a probe and a task, each SPU a listener and a connection."""

REQUEST_BYTES_MAX = FRAME_BYTES_MAX - 1024 * 1024
"""Bytes of one request. The rest of a frame is for its header, and for records that compression
makes larger; an SPU closes the connection at a larger frame."""

STEPS_MAX = 1_000
"""The most steps of a workload. People write about ten; a longer generated workload is better
split."""

SEED_MAX = 2**63 - 1
"""The largest seed, in a file as on the command line; random generators treat larger ones
differently."""

EXAMPLES_MAX = 10_000_000
"""The most examples of a property: days of exploring."""


def _at_most(most: int, what: str) -> AfterValidator:
    def check(number: int) -> int:
        if number > most:
            raise ValueError(f"{number} is more than {most:,} {what}, the most")
        return number

    return AfterValidator(check)


def _seed(number: int) -> int:
    if number > SEED_MAX:
        raise ValueError(f"{number} is more than {SEED_MAX}, the largest seed")
    return number


def _replicas(number: int) -> int:
    if not REPLICAS_MIN <= number <= REPLICAS_MAX:
        raise ValueError(f"{number} is no number of replicas; write 2 or 3, or no replication")
    return number


_REPLICAS_SCHEMA = WithJsonSchema(
    {"type": "integer", "minimum": REPLICAS_MIN, "maximum": REPLICAS_MAX}
)


def _positive(seconds: float) -> float:
    if not seconds:
        raise ValueError("no time at all; write a duration above 0")
    return seconds


PositiveDuration = Annotated[Duration, AfterValidator(_positive)]

NonEmptyText = Annotated[str, Field(min_length=1)]


def _topic_name(name: str) -> str:
    if name == SYSTEM_TOPIC:
        raise ValueError(f"{name} is the system topic of every cluster; write another name")
    return check_topic_name(name)


class TopicOptions(Strict):
    """The topic to which the records are sent."""

    name: Annotated[NonEmptyText, AfterValidator(_topic_name)] = "greetings"
    """Its name: at most 63 of ``a-z``, ``0-9`` and ``-``, with no ``-`` at either end."""
    partitions: Annotated[Count, _at_most(PARTITIONS_MAX, "partitions")] = 1
    """How many partitions it has; their leaders take turns among the SPUs."""


class ReplicationOptions(Strict):
    """The replicas of each partition."""

    replicas: Annotated[Count, AfterValidator(_replicas), _REPLICAS_SCHEMA] = 2
    """How many replicas each partition has, the leader's included; no more than there are SPUs."""
    lag: Distribution = Constant("10ms")
    """How long each fetch of a follower takes, drawn from the seed. A record is committed when
    every replica has it."""
    first_fetch: Duration = 0.0
    """How long after the creation of a partition its followers begin to fetch; a real one was seen
    to take 9.8 s."""


class ClusterOptions(Strict):
    """The simulated cluster."""

    spus: Annotated[Count, _at_most(SPUS_MAX, "SPUs")] = 1
    """The number of SPUs."""
    commit_delay: Duration = 0.0
    """How long after its append a record is committed; ``read-committed`` waits for the commit. No
    effect with ``replication``."""
    recovery: Distribution = NO_DELAY
    """How long an SPU that was started listens before it serves a partition, drawn for each; the
    distributions are those of the fault ``delay``."""
    retain: Annotated[Size, Field(ge=1)] | None = None
    """How long the log of a partition may be before its oldest batches are evicted; any length by
    default. The judge also looks at what is evicted."""
    replication: ReplicationOptions | None = None
    """The replicas of each partition; without it each partition has one."""


class NetworkOptions(Strict):
    """The virtual network; no effect on real sockets."""

    latency: Duration = 0.0001
    """The one-way latency of each byte."""
    bandwidth: Annotated[Size, Field(ge=1)] | None = None
    """Bytes per second in each direction of each connection; unlimited by default."""


class RetryOptions(Strict):
    """The retry policy of at-least-once, with Fluvio's names."""

    max_retries: Index = 4
    """Attempts after the first one."""
    initial_delay: Duration = 0.020
    """The first delay of the strategy."""
    max_delay: Duration = 200.0
    """The longest delay; a fixed delay may be longer."""
    timeout: PositiveDuration = 300.0
    """The time limit for all attempts and the delays between them."""
    strategy: Literal["fixed-delay", "fibonacci-backoff", "exponential-backoff"] = (
        "exponential-backoff"
    )
    """How the delays grow."""


class ProducerOptions(Strict):
    """The producer's options; the defaults are Fluvio's."""

    delivery_semantic: Literal["at-least-once", "at-most-once"] = "at-least-once"
    """The promise of the producer."""
    retry: RetryOptions = RetryOptions()
    """The retry policy of at-least-once; no effect under at-most-once."""
    batch_size: Annotated[Size, Field(ge=1)] = 16_384
    """The most bytes in a batch, before compression."""
    max_request_size: Annotated[
        Size, Field(ge=1024), _at_most(REQUEST_BYTES_MAX, "bytes of a request")
    ] = 1_048_576
    """The most bytes in a request; at most 63 MiB, since an SPU takes frames of up to 64 MiB."""
    batch_queue_size: Count = 100
    """The most batches of one partition that wait to be sent; ``send`` waits when the queue is
    full."""
    linger: Duration = 0.0
    """How long a batch that is not full waits for more records."""
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    """The compression of batches."""
    isolation: Literal["read-uncommitted", "read-committed"] = "read-uncommitted"
    """When an SPU answers: once the leader has stored the records, or once they are committed."""
    timeout: Duration = 1.5
    """How long an SPU waits for the commit of one partition's records under ``read-committed``."""
    attempt_timeout: PositiveDuration | None = None
    """How long one attempt may take; by default the share that the policy's timeout leaves for
    each."""
    response_timeout: PositiveDuration = 10.0
    """At-most-once: how long after its linger a batch may take to be settled."""

    @property
    def retries(self) -> bool:
        """Whether the semantic is at-least-once."""
        return self.delivery_semantic == "at-least-once"


WorldOfScenario = Literal["virtual", "tcp", "cluster"]


def _every_world() -> list[WorldOfScenario]:
    return ["virtual", "tcp"]


class Scenario(Strict):
    """One experiment."""

    name: NonEmptyText
    """A title of a few words."""
    description: str = ""
    """A description for readers."""
    worlds: list[WorldOfScenario] = Field(default_factory=_every_world, min_length=1)
    """The worlds in which it runs: a virtual network in virtual time, real sockets, or a real
    cluster behind the proxy."""
    slow: StrictBool = False
    """Whether it may take more than 3 s over tcp."""
    examples: Annotated[Count, _at_most(EXAMPLES_MAX, "examples")] = 200
    """For a property: how many examples ``run`` draws."""
    step_timeout: PositiveDuration = 20.0
    """How long a client in a process of its own may take to answer before it is killed."""
    cluster: ClusterOptions = ClusterOptions()
    topic: TopicOptions = TopicOptions()
    network: NetworkOptions = NetworkOptions()
    producer: ProducerOptions = ProducerOptions()
    faults: FaultList = Field(default_factory=list)
    """The faults, in order of evaluation; they are active from the first step on."""
    workload: Annotated[list[OneStep], Field(min_length=1, max_length=STEPS_MAX)]
    """The steps of the client."""
    always: Expectations = Expectations()
    """What must hold in every run; a miss is a broken promise."""
    sometimes: Expectations = Expectations()
    """What must occur in some example of a property, or in the run of a concrete scenario; a miss
    is inconclusive."""
    seed: Annotated[Index, AfterValidator(_seed)] = 0
    """Random seed."""

    @classmethod
    def unknown_key(cls, key: str) -> str:
        """Return the message about an unknown key."""
        return missing_word(key) or super().unknown_key(key)

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield the contradictions between the parts of a scenario."""
        steps = [*written_steps(written.get("workload"))]
        yield from _beyond_cluster(written, steps)
        yield from _too_much(steps)
        yield from unsent(written.get("workload"))
        yield from misplaced(steps)
        worlds = written.get("worlds", _every_world())
        if (
            "network" in written
            and isinstance(worlds, list | tuple)
            and {"tcp", "cluster"} & {*map(str, worlds)}
        ):
            text = "real sockets have a network of their own; write worlds: [virtual]"
            yield Conflict(("network",), text)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print one line where Hypothesis prints arguments; the scenario file is printed beside
        it."""
        printer.text(f"<scenario {self.name!r}, seed {self.seed}>")


_REPLICAS, _TOPIC = ReplicationOptions().replicas, TopicOptions().name
"""Defaults; each draw of an example asks for them."""


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _fields(value: object, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, Mapping) else getattr(value, key, None)
    if isinstance(found, Strict):
        return found.model_dump(by_alias=True)
    return found if isinstance(found, Mapping) else {}


def _faults(written: Mapping[str, Any]) -> Iterator[tuple[int, str, Mapping[str, Any]]]:
    """Yield position, kind and fields of each fault."""
    members = written.get("faults")
    for n, member in enumerate(members if isinstance(members, list | tuple) else ()):
        if isinstance(member, Strict):
            yield n, kind_of(member), member.model_dump(by_alias=True)
        elif isinstance(member, Mapping) and len(member) == 1:
            kind, fields = next(iter(member.items()))
            yield n, str(kind), fields if isinstance(fields, Mapping) else {}
        elif isinstance(member, str):
            yield n, member, {}


def _beyond_cluster(written: Mapping[str, Any], steps: Sequence[WrittenStep]) -> Iterator[Conflict]:
    """Yield the steps and faults that name an SPU or a partition that does not exist."""
    spus = max(_whole(_fields(written, "cluster").get("spus"), 1), 1)
    topic = _fields(written, "topic")
    partitions = _most_partitions(topic, steps)
    no_spu = f"cluster.spus is {spus}, numbered from 0"
    cluster = _fields(written, "cluster")
    replicas = _fields(cluster, "replication").get("replicas")
    replicas = _whole(replicas, _REPLICAS)
    if cluster.get("replication") is not None and replicas > spus:
        text = f"{replicas} replicas need as many SPUs, but cluster.spus is {spus}"
        yield Conflict(("cluster", "replication", "replicas"), text)
    no_partition = f"topic.partitions is {partitions}, numbered from 0"
    if partitions > max(_whole(topic.get("partitions"), 1), 1):
        no_partition = f"there are at most {partitions}, numbered from 0"
    for step in steps:
        yield from _unknown_server(step.place_of("server"), step.fields.get("server"), spus)
        for key in ("spu", "to"):
            if _whole(step.fields.get(key), 0) >= spus:
                text = f"there is no SPU {shown(step.fields[key])}; {no_spu}"
                yield Conflict(step.place_of(key), text)
        if _whole(step.fields.get("partition"), 0) >= partitions:
            text = f"there is no partition {shown(step.fields['partition'])}; {no_partition}"
            yield Conflict(step.place_of("partition"), text)
    for n, kind, fields in _faults(written):
        match = _fields(fields, "match")
        yield from _unknown_server(("faults", n, kind, "server"), fields.get("server"), spus)
        if _whole(match.get("spu"), 0) >= spus:
            text = f"there is no SPU {shown(match['spu'])}; {no_spu}"
            yield Conflict(("faults", n, kind, "match", "spu"), text)
        elsewhere = match.get("topic") not in (None, topic.get("name", _TOPIC))
        if _whole(match.get("partition"), 0) >= partitions and not elsewhere:
            text = f"there is no partition {shown(match['partition'])}; {no_partition}"
            yield Conflict(("faults", n, kind, "match", "partition"), text)


def _most_partitions(topic: Mapping[str, Any], steps: Sequence[WrittenStep]) -> int:
    """Return the largest number of partitions that the topic may ever have."""
    most, added = max(_whole(topic.get("partitions"), 1), 1), 0
    for step in steps:
        kind, fields = step.kind, step.fields
        if kind == "create_topic":
            most = max(most, _whole(fields.get("partitions"), 1))
        elif kind == "add_partitions":
            added += max(_whole(fields.get("count"), 1), 0)
    return most + added


def _unknown_server(path: tuple[str | int, ...], server: object, spus: int) -> Iterator[Conflict]:
    """Yield a conflict if a server is an SPU that does not exist."""
    number = server[4:] if isinstance(server, str) and server.startswith("spu:") else ""
    if number.isdecimal() and len(number) < NUMBER_CHARS_MAX and int(number) >= spus:
        text = f"there is no SPU {number}; cluster.spus is {spus}, numbered from 0"
        yield Conflict(path, text)


_RECORD_SIZES = {"size": 100, "key_size": 0}
"""By key of a step, the bytes that it adds to each record, with their default."""


def _too_much(steps: Sequence[WrittenStep]) -> Iterator[Conflict]:
    """Yield a conflict if there are more records than fit in memory."""
    records = size = 0
    for step in steps:
        if not (sent := step.sends):
            continue
        records += sent
        try:
            sizes = (
                parse_size(step.fields.get(key, least)) for key, least in _RECORD_SIZES.items()
            )
            size += sent * sum(sizes)
        except ValueError:
            continue
        if records > RECORDS_MAX:
            text = f"{records:,} records up to here; a scenario sends {RECORDS_MAX:,} at most"
            yield Conflict(step.place_of("count"), text)
            return
        if size > BYTES_MAX:
            text = f"{size:,} bytes up to here; a scenario sends {BYTES_MAX:,} at most"
            yield Conflict(step.place_of("count"), text)
            return
