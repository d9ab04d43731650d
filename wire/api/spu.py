"""SPUs as the SC describes them.

Source: ``crates/fluvio-controlplane-metadata/src/spu/spec.rs`` and ``status.rs``.
"""

from enum import IntEnum

from wire.codec.message import message, since
from wire.codec.types import i32, u16


class SpuType(IntEnum):
    """Whether the cluster manages an SPU."""

    MANAGED = 0
    CUSTOM = 1


class Encryption(IntEnum):
    """The declared encryption of an endpoint; clients use the setting of their profile instead."""

    PLAINTEXT = 0
    SSL = 1


@message
class Ingress:
    """A host name or an IP address of an SPU for clients; the host name has precedence."""

    hostname: str | None = None
    ip: str | None = None


@message
class IngressEndpoint:
    """The endpoint for clients: the first ingress and the port."""

    port: u16
    ingress: list[Ingress]
    encryption: Encryption = Encryption.PLAINTEXT


@message
class Endpoint:
    """A host and a port."""

    port: u16
    host: str
    encryption: Encryption = Encryption.PLAINTEXT


@message
class SpuSpec:
    """The specification of an SPU: its id, its type and its endpoints."""

    id: i32
    spu_type: SpuType
    public_endpoint: IngressEndpoint
    private_endpoint: Endpoint
    rack: str | None = None
    public_endpoint_local: Endpoint | None = since(1, default=None)


@message
class CustomSpuSpec:
    """The specification of an SPU that the cluster does not manage, in a list of those alone."""

    id: i32
    public_endpoint: IngressEndpoint
    private_endpoint: Endpoint
    rack: str | None = None
    public_endpoint_local: Endpoint | None = None


class SpuResolution(IntEnum):
    """The state of an SPU."""

    ONLINE = 0
    OFFLINE = 1
    INIT = 2


@message
class SpuStatus:
    """The status of an SPU."""

    resolution: SpuResolution
