"""SmartModules as the SC stores and describes them.

Source: ``crates/fluvio-controlplane-metadata/src/smartmodule/spec.rs``, ``package.rs`` and
``params.rs``. "Since" is the version of the SC message that carries the object. Below version 10
the specification has another form, which this project does not implement.
"""

from enum import IntEnum

from wire.codec.message import message, since
from wire.codec.types import blob, u32


class SmartModuleVisibility(IntEnum):
    """Whether the hub shows a package to others."""

    PRIVATE = 0
    PUBLIC = 1


@message
class SmartModulePackage:
    """The package that a SmartModule comes from; ``version`` and ``api_version`` are semver."""

    name: str
    group: str
    version: str = "0.1.0"
    api_version: str = "0.1.0"
    description: str | None = None
    license: str | None = None
    visibility: SmartModuleVisibility = since(19, default=SmartModuleVisibility.PRIVATE)
    repository: str | None = None


@message
class SmartModuleParameter:
    """A parameter that a SmartModule has."""

    description: str | None = None
    optional: bool = False


@message
class SmartModuleMetadata:
    """The package of a SmartModule, and its parameters by name."""

    package: SmartModulePackage
    params: dict[str, SmartModuleParameter] = since(default_factory=dict)


@message
class WasmSummary:
    """What a list tells of the code in its place."""

    wasm_length: u32


class WasmFormat(IntEnum):
    """The form of the code."""

    BINARY = 0
    TEXT = 1


@message
class SmartModuleWasm:
    """The code of a SmartModule: WebAssembly, compressed with gzip."""

    format: WasmFormat = WasmFormat.BINARY
    payload: blob = b""


@message
class SmartModuleSpec:
    """The specification of a SmartModule. An SC sends a ``summary`` in place of the code."""

    meta: SmartModuleMetadata | None = None
    summary: WasmSummary | None = None
    wasm: SmartModuleWasm = since(default_factory=SmartModuleWasm)
