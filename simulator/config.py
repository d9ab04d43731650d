"""What a simulator is made of, in the words of the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

from pydantic import TypeAdapter, ValidationError

from simulator.cluster.memory import MEMORY_BYTES
from simulator.documents.strict_model import hint, shown
from simulator.faults.distributions import parse_distribution
from simulator.faults.fault_file import load_faults
from simulator.faults.fault_list import FaultList, with_names
from simulator.faults.kinds.delay import Delay
from simulator.faults.kinds.disconnect import Disconnect
from simulator.faults.kinds.drop import Drop
from simulator.faults.kinds.duplicate import Duplicate
from simulator.faults.model import Fault, Placed

SPU_PORT_STEP = 10
"""SPU i listens this much above SPU i - 1, as in ``fluvio cluster start --local``."""

PORT_MAX = 65535

_WORDS = {
    "at": ("request", "response", "both"),
    "api": ("produce", "fetch", "all"),
    "disconnect_how": ("rst", "fin", "half-close"),
}
"""Options that are one of some words."""

_FAULTS: TypeAdapter[list[Fault]] = TypeAdapter(FaultList)

_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104  these are looked for, not listened on


class SimulatorError(Exception):
    """The simulator cannot start, or was asked for something that it does not have.

    The text is for the person who asked: what is wrong and what to do, on one line.
    """


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
    memory_bytes: int = MEMORY_BYTES


class Options(TypedDict, total=False):
    """The options of ``open_simulator`` and ``running``; each may be left out.

    host: where to listen; ``127.0.0.1``.
    advertise: the host that clients are told to reach the SPUs under; ``host``.
    port: the SC's port; 0, a free one.
    spu_port: SPU 0's port, SPU i is 10 * i above it; 0, free ones.
    spus: how many SPUs; 1.
    topics: names and numbers of partitions; ``{"greetings": 1}``.
    drop, duplicate, disconnect: probabilities from 0 to 1; 0.
    delay: a distribution, for example ``"50ms"`` or ``"uniform(10ms,200ms)"``; none.
    disconnect_how: ``rst`` (default), ``fin`` or ``half-close``.
    at: the cut point of these four: ``request``, ``response`` or ``both`` (default).
    api: the requests that these four concern: ``produce`` (default), ``fetch`` or ``all``.
    faults: a faults file; or faults, each as a model or the way a faults file has it, for example
        ``{"drop": {"at": "response", "nth": 1}}``.
    commit_delay: seconds from an append to its commit; 0.
    seed: where all randomness comes from; 0.
    memory: bytes that the simulator may take; 1 GiB.
    """

    host: str
    advertise: str | None
    port: int
    spu_port: int
    spus: int
    topics: Mapping[str, int]
    drop: float
    delay: str | None
    duplicate: float
    disconnect: float
    disconnect_how: Literal["rst", "fin", "half-close"]
    at: Literal["request", "response", "both"]
    api: Literal["produce", "fetch", "all"]
    faults: str | Path | Sequence[Fault | dict[str, Any]]
    commit_delay: float
    seed: int
    memory: int


def configure(**options: Unpack[Options]) -> Config:
    """Make a configuration of options.

    Raises:
        SimulatorError: an option is not possible.
        FaultFileError: the faults file is wrong; the text has all mistakes with their places.
    """
    _check_options(options)
    try:
        faults = with_names([*_faults_of(options), *_faults_given(options.get("faults", ()))])
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SimulatorError(f"{where}: {first['msg']}") from error
    except ValueError as error:
        raise SimulatorError(str(error)) from error
    defaults = Config()
    config = Config(
        host=options.get("host", defaults.host),
        advertise=options.get("advertise", defaults.advertise),
        port=options.get("port", defaults.port),
        spu_port=options.get("spu_port", defaults.spu_port),
        spus=options.get("spus", defaults.spus),
        topics=options.get("topics", defaults.topics),
        faults=faults,
        seed=options.get("seed", defaults.seed),
        commit_delay_s=options.get("commit_delay", defaults.commit_delay_s),
        memory_bytes=options.get("memory", defaults.memory_bytes),
    )
    _check(config)
    return config


def _faults_given(faults: str | Path | Sequence[Fault | dict[str, Any]]) -> list[Fault]:
    if isinstance(faults, str | Path):
        return load_faults(faults)
    return _FAULTS.validate_python(list(faults))


def _faults_of(options: Options) -> list[Fault]:
    """The faults that options stand for, each named by its option."""
    common: dict[str, Any] = {
        "at": options.get("at", "both"),
        "match": {"api": options.get("api", "produce")},
    }
    wanted: list[tuple[type[Placed], dict[str, Any]]] = []
    if (delay := options.get("delay")) is not None:
        wanted.append((Delay, {"by": parse_distribution(delay)}))
    if probability := options.get("drop", 0):
        wanted.append((Drop, {"probability": probability}))
    if probability := options.get("duplicate", 0):
        wanted.append((Duplicate, {"probability": probability}))
    if probability := options.get("disconnect", 0):
        how = options.get("disconnect_how", "rst")
        wanted.append((Disconnect, {"probability": probability, "how": how}))
    return [kind(name=kind.kind, **common, **special) for kind, special in wanted]


def _check_options(options: Options) -> None:
    """Refuse what is no option, and words that an option does not take."""
    for name, value in options.items():
        if name not in Options.__annotations__:
            known = hint(name, Options.__annotations__)
            raise SimulatorError(f"unknown option {shown(name)}{known}")
        words = _WORDS.get(name)
        if words is not None and value not in words:
            raise SimulatorError(f"{name}: {shown(value)} is not one of {', '.join(words)}")


def _check(config: Config) -> None:
    for option, port in (("port", config.port), ("spu_port", config.spu_port)):
        if not 0 <= port <= PORT_MAX:
            raise SimulatorError(f"{option}: {port} is not a port; ports are 0 to {PORT_MAX}")
    if config.commit_delay_s < 0:
        raise SimulatorError(f"commit_delay: {config.commit_delay_s} seconds; it is 0 at least")
    if config.spus < 1:
        raise SimulatorError(f"{config.spus} SPUs; there must be one at least")
    last_port = config.spu_port + SPU_PORT_STEP * (config.spus - 1)
    if config.spu_port and last_port > PORT_MAX:
        raise SimulatorError(
            f"SPU {config.spus - 1} would listen on port {last_port}; ports end at {PORT_MAX}"
        )
    if (config.advertise or config.host) in _EVERYWHERE:
        raise SimulatorError(
            f"{config.host} listens on every address but is none that clients could connect to; "
            "say with --advertise HOST under which name they reach this machine"
        )
    for fault in config.faults:
        spu = fault.spu_named
        if spu is not None and spu >= config.spus:
            raise SimulatorError(
                f"fault {fault.name or fault.kind} names SPU {spu}, "
                f"but there are {config.spus}, numbered from 0"
            )
