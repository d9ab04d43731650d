"""The handlers: one module for each API, whose docstring is its contract.

Importing this package registers all handlers.

``served_api``: the registry, and the APIs that each server answers.
``context``: the context of a request, and the waits of a handler.
``codes``: error codes of faults in responses.
``bits``: flipped bits.
``reading``: the rules that Fetch and StreamFetch share.
``streams``: the streams of one connection.
``smartmodules``: the refusal of SmartModules.
"""

import sys

from simulator.handlers.context import CommitWait, Context, Held, Pause, WaitUntil
from simulator.handlers.served_api import SERVED_APIS, Handler, ServedApi, apis_of, served_by
from wire.registry import import_all

__all__ = [
    "SERVED_APIS",
    "CommitWait",
    "Context",
    "Handler",
    "Held",
    "Pause",
    "ServedApi",
    "WaitUntil",
    "apis_of",
    "served_by",
]

import_all(sys.modules[__name__])
