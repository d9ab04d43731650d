"""One module per API; its docstring is its contract. Importing this package registers all of them.

``served_api.py``: what is registered, and which server answers what.
``context.py``: what a handler is given.
``codes.py``: how a fault puts an error code into an answer.
"""

import sys

from simulator.handlers.context import CommitWait, Context, Pause
from simulator.handlers.served_api import SERVED_APIS, Handler, ServedApi, served_by
from wire.registry import import_all

__all__ = ["SERVED_APIS", "CommitWait", "Context", "Handler", "Pause", "ServedApi", "served_by"]

import_all(sys.modules[__name__])
