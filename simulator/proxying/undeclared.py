"""Stand-ins for APIs of which only the key is known: their frames pass as they are."""

from functools import lru_cache
from typing import Any

from simulator.handlers import ServedApi
from wire.api.api import Api
from wire.codec.message import message

UNDECLARED_MAX = 1_000
"""The APIs without a declaration that are remembered: a peer chooses the keys."""

VERSION_MAX = 0x7FFF
"""Versions are i16."""


@message
class Unread:
    """The body of a message whose API is not declared; it is never read."""


def _unhandled(request: Any, context: Any) -> Any:
    raise NotImplementedError


@lru_cache(UNDECLARED_MAX)
def undeclared(key: int) -> ServedApi:
    """Return a stand-in for an API of which only the key is known; its frames pass as they are."""
    name = f"api-{key}"
    api = Api(name, key, 0, VERSION_MAX, Unread, Unread, server="any", declared=False)
    return ServedApi(api=api, handle=_unhandled)


class EveryServedApi(dict[int, ServedApi]):
    """Served APIs by key, with a stand-in for each key that is not declared."""

    def __missing__(self, key: int) -> ServedApi:
        return undeclared(key)


class EveryApi(dict[int, Api[Any, Any]]):
    """APIs by key, with a stand-in for each key that is not declared."""

    def get(self, key: int, default: Any = None) -> Any:
        """Return the API with a key; there is always one."""
        found = super().get(key)
        return undeclared(key).api if found is None else found
