"""ApiVersions, on the SC and on every SPU.

Served: versions 0 to 2. Emulated: a server offers exactly the APIs that it implements; the SC
closes the connection when ``client_version`` is not semver, like a real SC
(``fluvio-sc/src/services/public_api/api_version.rs``); an SPU ignores ``client_version`` and
answers the platform version ``0.0.0``. Left out: the smaller StreamFetch range of an SPU for old
clients.
"""

from functools import lru_cache
from typing import Literal

from simulator.handlers.context import Context
from simulator.handlers.served_api import ServedApi, register_api, served_by
from wire.api import API_VERSIONS
from wire.api.api_versions import ApiVersionRange, ApiVersionsRequest, ApiVersionsResponse
from wire.codec import WireError, encode
from wire.framing import EncodedBody
from wire.semver import is_semver

SC_PLATFORM_VERSION = "0.18.1"
"""The Fluvio release that the simulator emulates; clients reject an SC below 0.9.0."""

SPU_PLATFORM_VERSION = "0.0.0"
"""The platform version of every real SPU."""


def handle(request: ApiVersionsRequest, context: Context) -> EncodedBody:
    """Return the APIs that this server offers.

    Raises:
        WireError: the server is an SC and the client version is not semver.
    """
    if context.spu is None and not is_semver(request.client_version):
        raise WireError(f"client version {request.client_version[:40]!r} is not semver")
    server: Literal["sc", "spu"] = "sc" if context.spu is None else "spu"
    platform_version = SC_PLATFORM_VERSION if context.spu is None else SPU_PLATFORM_VERSION
    return _answer(tuple(served_by(server).values()), platform_version, context.version)


@lru_cache(maxsize=16)
def _answer(served: tuple[ServedApi, ...], platform_version: str, version: int) -> EncodedBody:
    """Return the answer of a server, encoded: it is the same on every connection."""
    api_keys = [
        ApiVersionRange(
            api_key=each.api.key,
            min_version=each.api.min_version,
            max_version=each.api.max_version,
        )
        for each in served
        if each.api.listed
    ]
    response = ApiVersionsResponse(api_keys=api_keys, platform_version=platform_version)
    return EncodedBody(encode(response, version))


register_api(ServedApi(api=API_VERSIONS, handle=handle))
