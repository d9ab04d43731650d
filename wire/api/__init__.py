"""The APIs of SC and SPU: one module for each API or for a group of messages that APIs share.

``api``: the declaration of an API, and the registry ``APIS``.
``api_versions``: ApiVersions, the first request on every connection.
``produce``: Produce.
``fetch``: Fetch.
``fetch_offsets``: FetchOffsets.
``stream_fetch``: StreamFetch and UpdateOffsets.
``consumer_offsets``: the stored offsets of consumers.
``admin``: Create, Delete, Update, List and Watch.
``envelope``: the envelope of the objects in requests and responses of the SC.
``objects``: the messages of List and Watch.
``topic``: topics.
``partition``: partitions.
``spu``: SPUs.
``storage``: the storage settings of topics and partitions.
``smartmodule``: SmartModule invocations.
``smartmodule_spec``: SmartModules as objects.
"""

import sys

from wire.api.admin import CREATE, DELETE, LIST, UPDATE, WATCH
from wire.api.api import APIS, Api, Server
from wire.api.api_versions import API_VERSIONS
from wire.api.consumer_offsets import (
    DELETE_CONSUMER_OFFSET,
    FETCH_CONSUMER_OFFSETS,
    UPDATE_CONSUMER_OFFSET,
)
from wire.api.fetch import FETCH
from wire.api.fetch_offsets import FETCH_OFFSETS
from wire.api.produce import PRODUCE
from wire.api.stream_fetch import STREAM_FETCH, UPDATE_OFFSETS
from wire.registry import import_all

__all__ = [
    "APIS",
    "API_VERSIONS",
    "CREATE",
    "DELETE",
    "DELETE_CONSUMER_OFFSET",
    "FETCH",
    "FETCH_CONSUMER_OFFSETS",
    "FETCH_OFFSETS",
    "LIST",
    "PRODUCE",
    "STREAM_FETCH",
    "UPDATE",
    "UPDATE_CONSUMER_OFFSET",
    "UPDATE_OFFSETS",
    "WATCH",
    "Api",
    "Server",
]

import_all(sys.modules[__name__])
