"""The configuration of a proxy."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.cluster.memory import MEMORY_BYTES
from simulator.config import faults_at_start, unreachable_host
from simulator.faults.model import Fault
from simulator.options import SimulatorError, checked
from simulator.proxying.tls import upstream_context
from simulator.proxying.upstream import Upstream
from wire.address import parse_address
from wire.profile import parse_profile


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """What a proxy is made of; the options of the simulator have the same meaning."""

    upstream: Upstream
    host: str = "127.0.0.1"
    advertise: str | None = None
    port: int = 0
    spu_port: int = 0
    faults: Sequence[Fault] = ()
    seed: int = 0
    memory_bytes: int = MEMORY_BYTES
    context: ssl.SSLContext | None = None
    """The TLS that clients use; None for plain TCP."""

    @property
    def spus(self) -> None:
        """The number of SPUs, which the cluster decides."""
        return None

    @property
    def advertised(self) -> str:
        """The host that clients are told."""
        return self.advertise or self.host


def configure_proxy(
    upstream: Upstream, *, context: ssl.SSLContext | None = None, **options: Any
) -> ProxyConfig:
    """Make a configuration of a proxy.

    Args:
        upstream: the cluster behind it.
        context: the TLS that clients use; None for plain TCP.
        options: host, advertise, port, spu_port, seed, memory, and what stands for faults; see
            ``simulator.options.Options``.

    Raises:
        SimulatorError: an option is not possible; the text has a line for each mistake.
        FaultFileError: the faults file is wrong; the text has all mistakes with their places.
    """
    given = checked(options)
    fields: Mapping[str, Any] = {
        "memory_bytes" if name == "memory" else name: value for name, value in given.items()
    }
    names = {"host", "advertise", "port", "spu_port", "seed", "memory_bytes"}
    config = ProxyConfig(
        upstream,
        faults=faults_at_start(given),
        context=context,
        **{name: value for name, value in fields.items() if name in names},
    )
    if mistakes := [*unreachable_host(config.host, config.advertise)]:
        raise SimulatorError("\n".join(mistakes))
    return config


def upstream_of(address: str | None, profile: Path | None) -> Upstream:
    """Return the cluster that an address or a Fluvio profile names.

    Args:
        address: the address of the SC; None for that of the profile.
        profile: a file of Fluvio profiles, of which the current one counts: its address, its TLS,
            and whether SPUs are connected to at their local addresses.

    Raises:
        SimulatorError: neither names a cluster, or the profile cannot be used.
    """
    if profile is None:
        if address is None:
            raise SimulatorError("name the cluster: --upstream HOST:PORT, or --profile FILE")
        return Upstream(_address(address))
    try:
        held = parse_profile(profile.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise SimulatorError(f"{profile}: {error.strerror}") from error
    except ValueError as error:
        raise SimulatorError(f"{profile}: {error}") from error
    return Upstream(
        _address(address or held.endpoint),
        context=upstream_context(held.tls),
        domain=held.tls.domain,
        local_addresses=held.use_spu_local_address,
    )


def _address(text: str) -> Any:
    try:
        return parse_address(text)
    except ValueError as error:
        raise SimulatorError(str(error)) from error
