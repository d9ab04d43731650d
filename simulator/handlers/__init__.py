"""One module per API; its docstring is its contract. Importing this package registers all of them.

``endpoint.py``: what is registered, and which server answers what.
``context.py``: what a handler is given.
``codes.py``: how a fault puts an error code into an answer.
"""

import sys

from simulator.handlers.context import CommitWait, Context
from simulator.handlers.endpoint import ENDPOINTS, Endpoint, Handler, served_by
from wire.registry import import_all

__all__ = ["ENDPOINTS", "CommitWait", "Context", "Endpoint", "Handler", "served_by"]

import_all(sys.modules[__name__])
