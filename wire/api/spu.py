"""SPUs as the SC describes them.

Source: ``crates/fluvio-controlplane-metadata/src/spu/spec.rs`` and ``status.rs``.
"""

from enum import IntEnum

from wire.codec.message import message, since
from wire.codec.types import i32, u16


class SpuType(IntEnum):
    """Who looks after an SPU."""

    MANAGED = 0
    CUSTOM = 1


class Encryption(IntEnum):
    """What an endpoint says of itself; clients follow their own profile instead."""

    PLAINTEXT = 0
    SSL = 1


@message
class Ingress:
    """A name or an address under which clients reach an SPU; the name wins."""

    hostname: str | None = None
    ip: str | None = None


@message
class IngressEndpoint:
    """Where clients connect: the first ingress and the port."""

    port: u16
    ingress: list[Ingress]
    encryption: Encryption = Encryption.PLAINTEXT


@message
class Endpoint:
    """One address."""

    port: u16
    host: str
    encryption: Encryption = Encryption.PLAINTEXT


@message
class SpuSpec:
    """What an SPU is and where it listens."""

    id: i32
    spu_type: SpuType
    public_endpoint: IngressEndpoint
    private_endpoint: Endpoint
    rack: str | None = None
    public_endpoint_local: Endpoint | None = since(1, default=None)


class SpuResolution(IntEnum):
    """The state of an SPU."""

    ONLINE = 0
    OFFLINE = 1
    INIT = 2


@message
class SpuStatus:
    """How an SPU is doing."""

    resolution: SpuResolution
