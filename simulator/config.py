"""What a simulator is made of, in the words of the command line."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

from simulator.cluster.cluster import TOPIC_WAIT_S, Cluster, ClusterError, topic_of
from simulator.cluster.keeping import keep, release
from simulator.cluster.memory import MEMORY_BYTES, Memory
from simulator.cluster.replication import ReplicationTerms
from simulator.faults.distributions import NO_DELAY, Distribution
from simulator.faults.fault_list import with_names
from simulator.faults.kinds.delay import Delay
from simulator.faults.kinds.disconnect import Disconnect
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.duplicate import Duplicate
from simulator.faults.model import Fault, Placed
from simulator.options import Options, SimulatorError, checked, faults_in
from simulator.storage.store import DataError, Store
from wire.address import PORT_MAX

logger = logging.getLogger("simulator")

SPU_PORT_STEP = 10
"""SPU i listens this much above SPU i - 1, as in ``fluvio cluster start --local``."""

_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  these are looked for, not listened on


@dataclass(frozen=True, slots=True)
class Config:
    """What a simulator is made of; ``Options`` says what each part means."""

    host: str = "127.0.0.1"
    advertise: str | None = None
    port: int = 0
    spu_port: int = 0
    spus: int = 1
    topics: Mapping[str, int] = field(default_factory=lambda: {"greetings": 1})
    faults: Sequence[Fault] = ()
    seed: int = 0
    commit_delay_s: float = 0.0
    recovery: Distribution = NO_DELAY
    topic_wait_s: float = TOPIC_WAIT_S
    memory_bytes: int = MEMORY_BYTES
    retain_bytes: int | None = None
    data: Path | None = None
    started_s: float = 0.0
    """The time of the start, in seconds since the epoch; it counts in the times of stored consumer
    offsets alone."""
    replication: ReplicationTerms | None = None

    @property
    def replicas(self) -> int:
        """The number of replicas of each partition of ``topics``."""
        return 1 if self.replication is None else self.replication.replicas


def configure(**options: Unpack[Options]) -> Config:
    """Make a configuration of options.

    Raises:
        SimulatorError: an option is not possible; the text has a line for each mistake.
        FaultFileError: the faults file is wrong; the text has all mistakes with their places.
    """
    given = checked(options)
    config = Config(
        faults=faults_at_start(given),
        **{
            _FIELDS.get(name, name): value
            for name, value in given.items()
            if _FIELDS.get(name, name) in Config.__slots__ and name != "faults"
        },
    )
    mistakes = [*_conflicts(config)]
    if mistakes:
        raise SimulatorError("\n".join(mistakes))
    return config


def faults_at_start(given: Mapping[str, Any]) -> list[Fault]:
    """Return the faults of checked options, each with its name.

    Raises:
        SimulatorError: two have the same name.
    """
    try:
        named = [each.model_copy(update={"name": each.kind}) for each in _faults_of(given)]
        return with_names([*named, *given.get("faults", ())])
    except ValueError as error:
        raise SimulatorError(str(error)) from error


def faults_of(
    faults: Sequence[Fault | Mapping[str, Any]], options: Mapping[str, Any]
) -> list[Fault]:
    """Return faults from models, from their YAML form as plain data, and from options.

    Args:
        faults: models, or plain data as in YAML.
        options: see ``FaultOptions``; the faults that they stand for come first.

    Raises:
        SimulatorError: a fault or an option is not possible; the text has a line for each mistake.
    """
    return [*_faults_of(checked(options)), *faults_in(faults)]


def new_cluster(config: Config) -> Cluster:
    """Return the cluster of a configuration, with its topics, and with what its directory has.

    Raises:
        SimulatorError: a topic is not acceptable, or the directory cannot be used.
    """
    memory, wait_s = Memory(config.memory_bytes), config.topic_wait_s
    cluster = Cluster(config.spus, memory, config.commit_delay_s, wait_s, config.retain_bytes)
    try:
        if config.data is not None:
            keep(cluster, Store(config.data))
        create_topics(cluster, config)
    except DataError as error:
        release(cluster)
        raise SimulatorError(str(error)) from error
    except SimulatorError:
        release(cluster)
        raise
    return cluster


def create_topics(cluster: Cluster, config: Config) -> None:
    """Create the topics of a configuration, unless the cluster has them from its directory.

    Raises:
        SimulatorError: a topic is not acceptable.
    """
    for name, partitions in config.topics.items():
        known = cluster.topics.get(name)
        if cluster.store is None or known is None:
            try:
                cluster.create_topic(name, topic_of(partitions, replicas=config.replicas))
            except ClusterError as error:
                raise SimulatorError(f"topic {name}: {error.text}") from error
        elif partitions != len(known.partitions):
            logger.warning(
                "topic %s has %d partitions in the data directory and keeps them; %d were asked"
                " for",
                name,
                len(known.partitions),
                partitions,
            )


_FIELDS = {
    "commit_delay": "commit_delay_s",
    "topic_wait": "topic_wait_s",
    "memory": "memory_bytes",
    "retain": "retain_bytes",
}
"""The fields of a configuration that have a unit in their name."""


def _faults_of(given: Mapping[str, Any]) -> list[Fault]:
    """The faults that options stand for."""
    common: dict[str, Any] = {
        "at": given.get("at", "both"),
        "match": {"api": given.get("api", "produce")},
    }
    wanted: list[tuple[type[Placed], dict[str, Any]]] = []
    if (delay := given.get("delay")) is not None:
        wanted.append((Delay, {"by": delay}))
    if probability := given.get("drop", 0):
        wanted.append((Drop, {"probability": probability}))
    if probability := given.get("duplicate", 0):
        wanted.append((Duplicate, {"probability": probability}))
    if probability := given.get("disconnect", 0):
        how = given.get("disconnect_how", "rst")
        wanted.append((Disconnect, {"probability": probability, "how": how}))
    return [kind(**common, **special) for kind, special in wanted]


def _conflicts(config: Config) -> Iterator[str]:
    """What options do to each other."""
    spu_ports = [config.spu_port + SPU_PORT_STEP * spu for spu in range(config.spus)]
    if config.spu_port and spu_ports[-1] > PORT_MAX:
        yield (
            f"SPU {config.spus - 1} would listen on port {spu_ports[-1]}; ports end at {PORT_MAX}"
        )
    elif config.port and config.spu_port and config.port in spu_ports:
        spu = spu_ports.index(config.port)
        yield (
            f"the SC and SPU {spu} would both listen on port {config.port};"
            " choose another --port or --spu-port"
        )
    yield from unreachable_host(config.host, config.advertise)
    if config.replicas > config.spus:
        yield f"{config.replicas} replicas wanted, but there are {config.spus} SPUs"
    yield from misnamed_spus(config.faults, config.spus)


def unreachable_host(host: str, advertise: str | None) -> Iterator[str]:
    """Say if clients could not connect to the host that they are told."""
    if (advertise or host) in _EVERYWHERE:
        yield (
            f"{host} listens on every address but is none that clients could connect to; "
            "say with --advertise HOST under which name they reach this machine"
        )


def misnamed_spus(faults: Sequence[Fault], spus: int) -> Iterator[str]:
    """Say of each fault that names an SPU which does not exist.

    Args:
        faults: the faults.
        spus: how many SPUs there are.
    """
    for fault in faults:
        if fault.spu_named is not None and fault.spu_named >= spus:
            yield (
                f"fault {fault.name or fault.kind} names SPU {fault.spu_named}, "
                f"but there are {spus}, numbered from 0"
            )
