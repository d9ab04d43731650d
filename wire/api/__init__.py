"""One module per API: its request, its response, their versions."""

from wire.api.admin import CREATE, DELETE, LIST, WATCH
from wire.api.api import APIS, Api, Server
from wire.api.api_versions import API_VERSIONS
from wire.api.fetch import FETCH
from wire.api.produce import PRODUCE

__all__ = [
    "APIS",
    "API_VERSIONS",
    "CREATE",
    "DELETE",
    "FETCH",
    "LIST",
    "PRODUCE",
    "WATCH",
    "Api",
    "Server",
]
