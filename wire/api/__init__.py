"""One module per API: its request, its response, their versions."""

from typing import Any

from wire.api.admin import CREATE, DELETE, LIST, WATCH
from wire.api.api import Api
from wire.api.api_versions import API_VERSIONS
from wire.api.fetch import FETCH
from wire.api.produce import PRODUCE

SC_APIS: tuple[Api[Any, Any], ...] = (CREATE, DELETE, LIST, WATCH)
"""What the SC offers, ApiVersions aside (a server never lists it)."""

SPU_APIS: tuple[Api[Any, Any], ...] = (PRODUCE, FETCH)
"""What an SPU offers, ApiVersions aside."""

__all__ = [
    "API_VERSIONS",
    "CREATE",
    "DELETE",
    "FETCH",
    "LIST",
    "PRODUCE",
    "SC_APIS",
    "SPU_APIS",
    "WATCH",
    "Api",
]
