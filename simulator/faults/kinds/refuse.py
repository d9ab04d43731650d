"""The fault ``refuse``."""

from collections.abc import Mapping
from typing import Any, ClassVar

from simulator.faults.model import Refusal


class Refuse(Refusal):
    """Lets nobody connect.

    It has no cut point and no trigger, only a window. It stands for a server that is down
    (``refuse``: its listener is closed), one behind a firewall that resets (``rst``), or one too
    busy to answer (``hang``: accepted, and nothing ever comes back). Connections that exist stay.
    Not realistic: with ``hang`` the connect itself succeeds, where a host that is gone would not
    answer that either.
    """

    kind: ClassVar[str] = "refuse"
    example: ClassVar[Mapping[str, Any]] = {"server": "sc"}
