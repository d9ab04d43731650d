"""ApiVersions (key 18): the first request on every connection.

Source: ``crates/fluvio-protocol/src/link/versions.rs``, ``crates/fluvio-socket/src/versioned.rs``.
"""

from wire.api.api import Api
from wire.codec.message import message, since
from wire.codec.types import i16
from wire.error_code import Code, ErrorCode


@message
class ApiVersionsRequest:
    """Describes the client. A real SC closes the connection if ``client_version`` is not semver."""

    client_version: str = since(1, default="")
    client_os: str = since(1, default="")
    client_arch: str = since(1, default="")


@message
class ApiVersionRange:
    """The versions of one API that the server offers."""

    api_key: i16
    min_version: i16
    max_version: i16


@message
class ApiVersionsResponse:
    """The APIs that the server offers. ``platform_version`` is semver, on an SC at least 0.9.0."""

    error_code: ErrorCode = Code.NONE
    api_keys: list[ApiVersionRange]
    platform_version: str


API_VERSIONS = Api(
    "api-versions",
    18,
    0,
    2,
    ApiVersionsRequest,
    ApiVersionsResponse,
    server="any",
    listed=False,
    repeats=True,
)
