"""One module per API; its docstring is its contract."""

from collections.abc import Callable
from typing import Any

from simulator.handlers import api_versions, create, delete, fetch, listing, produce, watch
from simulator.handlers.context import CommitWait, Context
from wire.api import API_VERSIONS, CREATE, DELETE, FETCH, LIST, PRODUCE, WATCH, Api

Handler = Callable[[Any, Context], Any]
Handlers = dict[int, tuple[Api[Any, Any], Handler]]

SC_HANDLERS: Handlers = {
    api.key: (api, handler)
    for api, handler in (
        (API_VERSIONS, api_versions.handle),
        (CREATE, create.handle),
        (DELETE, delete.handle),
        (LIST, listing.handle),
        (WATCH, watch.handle),
    )
}
"""What the SC answers, by API key."""

SPU_HANDLERS: Handlers = {
    api.key: (api, handler)
    for api, handler in (
        (API_VERSIONS, api_versions.handle),
        (PRODUCE, produce.handle),
        (FETCH, fetch.handle),
    )
}
"""What an SPU answers, by API key."""

__all__ = ["SC_HANDLERS", "SPU_HANDLERS", "CommitWait", "Context", "Handler", "Handlers"]
