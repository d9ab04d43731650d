"""The fault ``refuse``."""

from collections.abc import Mapping
from typing import Any, ClassVar

from simulator.faults.model import Refusal


class Refuse(Refusal):
    """Prevents new connections to a server.

    It has no cut point, only a window; `rst` and `hang` may also strike the n-th connect to each
    server. It models a server that is down (``refuse``:
    its listener is closed), a firewall that resets connections (``rst``), or a server that is too
    busy to answer (``hang``: the connection is accepted, and no byte comes back). Existing
    connections stay open. Not realistic: with ``hang`` the TCP connect succeeds, whereas a host
    that is gone would not answer it either.
    """

    kind: ClassVar[str] = "refuse"
    example: ClassVar[Mapping[str, Any]] = {"server": "sc"}
