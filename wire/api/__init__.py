"""The APIs of SC and SPU: one module for each API or for a group of messages that APIs share.

``api``: the declaration of an API, and the registry ``APIS``.
``api_versions``: ApiVersions, the first request on every connection.
``produce``: Produce.
``fetch``: Fetch.
``admin``: Create, Delete, List and Watch.
``envelope``: the envelope of the objects in requests and responses of the SC.
``objects``: the messages of List and Watch.
``topic``: topics.
``partition``: partitions.
``spu``: SPUs.
``storage``: the storage settings of topics and partitions.
``smartmodule``: SmartModule invocations.
"""

import sys

from wire.api.admin import CREATE, DELETE, LIST, WATCH
from wire.api.api import APIS, Api, Server
from wire.api.api_versions import API_VERSIONS
from wire.api.fetch import FETCH
from wire.api.produce import PRODUCE
from wire.registry import import_all

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

import_all(sys.modules[__name__])
