"""The options of a simulator in Python, and what is wrong with those that were given.

Each option has a function that takes its value as a person wrote it and gives what a configuration
holds, or raises ValueError with one line that says what to write. All mistakes are told at once.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, Literal, TypedDict

from pydantic import TypeAdapter, ValidationError

from simulator.documents.diagnostic import explained, shown_path
from simulator.documents.quantities import check_probability, parse_size
from simulator.documents.strict_model import hint, shown
from simulator.faults.distributions import CLI_FORMS, Distribution, parse_distribution
from simulator.faults.fault_file import load_faults
from simulator.faults.fault_list import FaultList, OneFault
from simulator.faults.model import Fault
from wire.address import PORT_MAX, unbracketed
from wire.duration import DURATION_S_MAX, parse_duration

MEMORY_BYTES_MIN = 1024 * 1024
"""The least that a simulator may have: a quarter of it holds the frames under way."""

_HOST = re.compile(r"[^\s:/\\\[\]@?#%]+")


class FaultOptions(TypedDict, total=False):
    """Options that stand for faults; each may be left out.

    drop, duplicate, disconnect: probabilities from 0 to 1; 0.
    delay: a duration, or a distribution, for example ``"uniform(10ms,200ms)"``; none.
    disconnect_how: ``rst`` (default), ``fin`` or ``half-close``.
    at: the cut point of these four: ``request``, ``response`` or ``both`` (default).
    api: the requests that these four concern: ``produce`` (default), ``fetch``,
        ``stream-fetch`` or ``all``.
    """

    drop: float
    delay: float | str | None
    duplicate: float
    disconnect: float
    disconnect_how: Literal["rst", "fin", "half-close"]
    at: Literal["request", "response", "both"]
    api: Literal["produce", "fetch", "stream-fetch", "all"]


class Options(FaultOptions, total=False):
    """The options of ``open_simulator`` and ``running``; each may be left out.

    A duration is a number of seconds, or a text with a unit such as ``"50ms"``.

    host: where to listen; ``127.0.0.1``.
    advertise: the host that clients are told to reach the SPUs under; ``host``.
    port: the SC's port; 0, a free one.
    spu_port: SPU 0's port, SPU i is 10 * i above it; 0, free ones.
    spus: how many SPUs; 1.
    topics: names and numbers of partitions; ``{"greetings": 1}``.
    drop, delay, duplicate, disconnect, disconnect_how, at, api: see ``FaultOptions``.
    faults: a faults file; or faults, each as a model or the way a faults file has it, for example
        ``{"drop": {"at": "response", "nth": 1}}``.
    commit_delay: how long after an append its records are committed, a duration; 0.
    recovery: how long a started SPU listens before it serves a partition, a duration or a
        distribution; 0.
    topic_wait: how long the creation of a topic waits until all its partitions are online, a
        duration; 90 s.
    seed: where all randomness comes from; 0.
    memory: what the simulator may take, a number of bytes or a text such as ``"64MiB"``; 1 GiB.
    retain: how long the log of a partition may be before its oldest batches go, a size like
        ``memory``; any length.
    data: a directory in which topics, logs, SmartModules and consumer offsets outlive the
        simulator; none.
    """

    host: str
    advertise: str | None
    port: int
    spu_port: int
    spus: int
    topics: Mapping[str, int]
    faults: str | Path | Sequence[Fault | dict[str, Any]]
    commit_delay: float | str
    recovery: float | str
    topic_wait: float | str
    seed: int
    memory: int | str
    retain: int | str | None
    data: str | Path | None


class SimulatorError(Exception):
    """The simulator cannot start, or was asked for something that it does not have.

    The text is for the person who asked: what is wrong and what to do, a line for each mistake.
    """


def checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as a configuration holds them; ``delay`` and ``faults`` as models.

    Raises:
        SimulatorError: some are not possible, or there are no such options.
        FaultFileError: the faults file is wrong; the text has all mistakes with their places.
    """
    found: dict[str, Any] = {}
    mistakes: list[str] = []
    for name, value in options.items():
        check = _CHECKS.get(name)
        if check is None:
            mistakes.append(f"unknown option {shown(name)}{hint(name, _CHECKS)}")
            continue
        try:
            found[name] = check(value)
        except ValidationError as error:
            mistakes += _lines(name, value, error)
        except ValueError as error:
            mistakes.append(f"{name}: {error}")
    if mistakes:
        raise SimulatorError("\n".join(mistakes))
    return found


def faults_in(value: Sequence[Fault | Mapping[str, Any]]) -> list[Fault]:
    """Faults from models and from their YAML form as plain data; unnamed ones stay unnamed.

    Raises:
        SimulatorError: some are not possible; the text has a line for each mistake.
    """
    try:
        return _UNNAMED.validate_python(list(value))
    except ValidationError as error:
        raise SimulatorError("\n".join(_lines("faults", list(value), error))) from error


def _lines(name: str, value: Any, error: ValidationError) -> list[str]:
    """What is wrong with the value of an option, a line for each mistake."""
    places = paths_in(value)
    return [f"{shown_path((name, *path))}: {text}" for path, text in explained(error, places)]


def paths_in(value: Any, above: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    """The paths of all parts of plain data."""
    if isinstance(value, Mapping):
        parts = [*value.items()]
    else:
        parts = [*enumerate(value)] if isinstance(value, list | tuple) else []
    below = [paths_in(part, (*above, key)) for key, part in parts]
    return {above}.union(*below)


def duration(value: object) -> float:
    """Seconds from a number of them, or from a text with a unit.

    Raises:
        ValueError: it is neither, below zero, or above a day.
    """
    if isinstance(value, str):
        return parse_duration(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{shown(value)} is not a duration; write seconds, or a text like '50ms'")
    if not 0 <= value <= DURATION_S_MAX:  # also false for a NaN
        raise ValueError(f"{shown(value)} is outside 0..{DURATION_S_MAX:.0f} seconds")
    return float(value)


def host(value: object) -> str:
    """A host, without brackets around it.

    Raises:
        ValueError: it is none, or more than one.
    """
    text = value if isinstance(value, str) else ""
    inner = unbracketed(text)
    if _HOST.fullmatch(inner) or _is_ipv6(inner):
        return inner
    raise ValueError(
        f"{shown(value)} is not a host; write a name or a number alone, without a port"
        " and without http://"
    )


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True


def _listening_host(value: object) -> str:
    return "" if value == "" else host(value)  # every address of the machine


def _advertised(value: object) -> str | None:
    return None if value is None else host(value)


def _whole(least: int | None, most: int | None, what: str) -> Callable[[object], int]:
    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{shown(value)} is not a whole number")
        if (least is not None and value < least) or (most is not None and value > most):
            raise ValueError(f"{value} is not {what}")
        return value

    return check


def _topics(value: object) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise ValueError(
            f"{shown(value)} is not a mapping; write names and numbers of partitions, for example"
            " {'greetings': 1}"
        )
    for name, partitions in value.items():
        if not isinstance(name, str):
            raise ValueError(f"{shown(name)} is not the name of a topic")
        if isinstance(partitions, bool) or not isinstance(partitions, int) or partitions < 1:
            raise ValueError(f"{shown(partitions)} is not a number of partitions, from 1 ({name})")
    return dict(value)


def _delay(value: object) -> Distribution | None:
    return None if value is None else _distribution(value)


def _distribution(value: object) -> Distribution:
    if isinstance(value, str):
        return parse_distribution(value)
    try:
        return parse_distribution(f"{duration(value):.9f}s")
    except ValueError as error:
        raise ValueError(f"{error} (accepted are seconds, {CLI_FORMS})") from None


def _one_of(*words: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"{shown(value)} is not one of {', '.join(words)}")
        return value

    return check


_FAULTS: TypeAdapter[list[Fault]] = TypeAdapter(FaultList)
_UNNAMED: TypeAdapter[list[Fault]] = TypeAdapter(list[OneFault])


def _faults(value: Any) -> list[Fault]:
    if isinstance(value, str | Path):
        return load_faults(value)
    if not isinstance(value, Sequence):
        raise ValueError(f"{shown(value)} is not a list of faults, nor the path of a faults file")
    return _FAULTS.validate_python(list(value))


def _memory(value: object) -> int:
    size = parse_size(value)
    if size < MEMORY_BYTES_MIN:
        raise ValueError(f"{shown(value)} is less than {MEMORY_BYTES_MIN // 1024} KiB, the least")
    return size


def _retain(value: object) -> int | None:
    if value is None:
        return None
    size = parse_size(value)
    if size < 1:
        raise ValueError(f"{shown(value)} is no size of a log; write a number of bytes above 0")
    return size


def _directory(value: object) -> Path | None:
    if value is None or isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{shown(value)} is not the path of a directory")
    return Path(value)


_PORT = _whole(0, PORT_MAX, f"a port; ports are 0 to {PORT_MAX}")

_CHECKS: dict[str, Callable[[Any], Any]] = {
    "host": _listening_host,
    "advertise": _advertised,
    "port": _PORT,
    "spu_port": _PORT,
    "spus": _whole(1, None, "a number of SPUs; there must be one at least"),
    "topics": _topics,
    "drop": check_probability,
    "delay": _delay,
    "duplicate": check_probability,
    "disconnect": check_probability,
    "disconnect_how": _one_of("rst", "fin", "half-close"),
    "at": _one_of("request", "response", "both"),
    "api": _one_of("produce", "fetch", "stream-fetch", "all"),
    "faults": _faults,
    "commit_delay": duration,
    "recovery": _distribution,
    "topic_wait": duration,
    "seed": _whole(None, None, "a seed"),
    "memory": _memory,
    "retain": _retain,
    "data": _directory,
}
