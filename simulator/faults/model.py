"""What faults there are: the models that YAML and command line are read into.

One exchange on a connection has two moments at which a fault can strike:

    client ---request---> | SPU reads | SPU applies | ---response---> client
              ^ at: request                 ^ at: response

A fault is a *kind* (what happens), a *cut point* (at which moment) and a *trigger* (which of the
matching exchanges). Lost before it was applied, and applied but the answer lost, are different
faults: only the second one makes a careful client write a record twice.

The models only hold what was written; ``faultlist.py`` reads their YAML form and ``verdicts.py``
evaluates them. TCP keeps the bytes of a connection in order and never loses one, so each kind says
what real event it stands for and what about it is not realistic.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, get_args

from pydantic import Field, PlainValidator, StrictBool, WithJsonSchema

from simulator.documents.quantities import Count, Index, Ordinals, Probability, Size, Window
from simulator.documents.strict_model import Conflict, Strict, shown
from simulator.faults.distributions import Distribution

ApiName = Literal["produce", "fetch", "api-versions", "watch", "list", "create", "delete"]

ErrorName = Literal[
    "NotLeaderForPartition",
    "MessageTooLarge",
    "CompressionError",
    "TopicNotFound",
    "RequestTimedOut",
    "StorageError",
    "PartitionFull",
    "PartitionShortCircuited",
    "UnknownServerError",
    "Other",
    "PermissionDenied",
]
"""The error codes that an SPU can answer a produce request with."""

OPEN_CODES = (
    "RequestTimedOut",
    "StorageError",
    "PartitionFull",
    "PartitionShortCircuited",
    "UnknownServerError",
    "Other",
)
"""The codes that leave open whether the records are stored: the only ones that may answer a request
that was applied. The others say that nothing is stored, and the judge takes an SPU at its word."""

APIS_WITH_PARTITIONS = ("produce", "fetch")
"""The APIs whose requests name topics and partitions."""

APIS_WITH_CODES = ("produce", "fetch", "create", "delete")
"""The APIs whose responses have a place for an error code."""

TRIGGERS = ("probability", "nth", "every")
"""The fields of which a fault has at most one."""


_SERVER = re.compile("sc|spu|spu:(0|[1-9][0-9]{0,8})")


def _server(value: object) -> str:
    if not isinstance(value, str) or not _SERVER.fullmatch(value):
        raise ValueError(f"{shown(value)} is not a server; write sc, spu (all SPUs) or spu:N")
    return value


Server = Annotated[
    str,
    PlainValidator(_server),
    WithJsonSchema({"type": "string", "pattern": f"^({_SERVER.pattern})$"}),
]

Name = Annotated[str, Field(min_length=1)]


class Match(Strict):
    """Which exchanges a fault concerns: those that satisfy every field."""

    api: ApiName | Literal["all"] = "produce"
    """The API of the request, or ``all``."""
    topic: Name | None = None
    """A topic that the request names; only produce and fetch name any."""
    partition: Index | None = None
    """A partition that the request names, of the topic above if there is one."""
    spu: Index | None = None
    """The SPU that was asked, numbered from 0."""
    connection: Count | None = None
    """The connection, numbered from 1 in the order of accepting."""
    client_id: str | None = None
    """What the client calls itself in the header of its request."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """A request without partitions satisfies no topic and no partition."""
        api = written.get("api", "produce")
        if api in get_args(ApiName) and api not in APIS_WITH_PARTITIONS:
            for key in ("topic", "partition"):
                if written.get(key) is not None:
                    yield Conflict((key,), f"{api} requests name no partitions; remove {key}")


class Placed(Strict):
    """What the faults that strike at a cut point have in common."""

    kind: ClassVar[str]
    """The word for it in YAML, and the first half of the name of an unnamed one."""
    terminal: ClassVar[bool]
    """Whether it decides what becomes of the frame, so that at most one such fault can strike."""

    name: Name = ""
    """The name in events and summary, and part of every draw; without one the fault is named by
    its kind and its position in the list, from 1: ``drop-1``."""
    at: Literal["request", "response", "both"] = "both"
    """The cut point: before the request is applied, after it, or both with a draw for each."""
    probability: Probability | None = None
    """Trigger: the chance of each matching exchange, drawn from the seed."""
    nth: Ordinals | None = None
    """Trigger: the ordinals of the matching exchanges to strike, a number or a list. They count
    from 1, for each topic and partition by itself; for requests that name none, for each
    connection."""
    every: Count | None = None
    """Trigger: strike each time that the ordinal is a multiple of this."""
    between: Window | None = None
    """Strike only in this window of the faults' clock; ordinals count outside of it too."""
    limit: Count | None = None
    """Strike at most this often."""
    match: Match = Match()
    """Which exchanges are concerned."""
    empty: StrictBool = False
    """Whether produce and fetch requests without partitions are concerned too. Clients send them at
    times that depend on load, so that by default they do not count."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """At most one trigger."""
        triggers = [key for key in TRIGGERS if written.get(key) is not None]
        if len(triggers) > 1:
            first, *others = triggers
            text = f"a fault has at most one trigger; remove {' and '.join(others)} or {first}"
            yield Conflict((others[0],), text)


class Delay(Placed):
    """Holds a frame back.

    At the request the SPU gets it later, at the response the client does. Delays add up. It stands
    for distance, for a queue on the way, for a server that is busy. Frames of a connection keep
    their order, as TCP keeps it: a delayed frame holds back those behind it. Not realistic: only
    whole frames are slow, while connecting and the packets' acknowledgements are as fast as ever.
    """

    kind: ClassVar[str] = "delay"
    terminal: ClassVar[bool] = False

    by: Distribution
    """How long: a duration, or a distribution to draw it from."""


class Drop(Placed):
    """Loses one frame.

    At the request the SPU never gets it; at the response the request was applied and is never
    answered. It stands for a server or a middlebox that lost the message: a crash between two
    steps, a proxy that answers nobody. Not realistic as a network: TCP never loses one frame and
    delivers the next; what packet loss looks like is a ``stall``.
    """

    kind: ClassVar[str] = "drop"
    terminal: ClassVar[bool] = True


class Duplicate(Placed):
    """Delivers one frame twice.

    At the request it is applied twice, and so stored twice, and answered twice; at the response the
    client gets the answer twice. It stands for a proxy that repeats a request. A real SPU would
    store the copy as well, for nothing on the wire tells it apart. Not realistic as a network: TCP
    discards repeated bytes.
    """

    kind: ClassVar[str] = "duplicate"
    terminal: ClassVar[bool] = False


class Disconnect(Placed):
    """Ends the connection.

    At the request it ends before the request is applied; at the response the request was applied,
    and the connection ends after the first bytes of the answer. It stands for a server that was
    restarted (``fin``) or killed, or a firewall that forgot the connection (``rst``). With
    ``half-close`` the server only says that it will send no more: this request and those behind it
    are still applied, and never answered. Not realistic: a reset is made exactly between
    two frames, or after an exact number of bytes, where a real one falls anywhere.
    """

    kind: ClassVar[str] = "disconnect"
    terminal: ClassVar[bool] = True

    how: Literal["rst", "fin", "half-close"] = "rst"
    """``rst``: a reset. ``fin``: read what has arrived, then close. ``half-close``: send no more,
    go on reading and applying."""
    after_bytes: Size = 0
    """How many bytes of the answer leave before the end; has a meaning only at the response."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Bytes of an answer that is never made cannot leave."""
        yield from super().conflicts(written)
        if written.get("at") == "request" and "after_bytes" in written:
            text = "at: request has no answer to cut; write at: response or remove after_bytes"
            yield Conflict(("after_bytes",), text)


class Stall(Placed):
    """Falls silent, with the connection open.

    At the request nothing more is read from this connection, this frame included; at the response
    the request was applied, and nothing more is written. It stands for what real loss looks like:
    a cable pulled, a route gone, a host frozen. Nothing arrives until somebody's timeout ends the
    connection. Not realistic: the operating system below goes on acknowledging packets, so that the
    client's own TCP never gives up, and with a stalled response its requests are still read.
    """

    kind: ClassVar[str] = "stall"
    terminal: ClassVar[bool] = True


class Error(Placed):
    """Answers with an error code.

    At the request the request is not applied; at the response it is applied first, which only codes
    that leave the outcome open can follow. All entries of the partition that the fault counted the
    request for get the code, the other entries are applied and answered as ever; create and delete
    are refused as a whole. It stands for an SPU in that condition: no longer the leader, its disk
    full, its storage failing. Not realistic: the condition is not there, so that the next request
    finds everything in order.
    """

    kind: ClassVar[str] = "error"
    terminal: ClassVar[bool] = True

    code: ErrorName
    """The error code as Fluvio spells it."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """The code needs a place in the answer and may not lie about what is stored."""
        yield from super().conflicts(written)
        code, match = written.get("code"), written.get("match")
        certain = code in get_args(ErrorName) and code not in OPEN_CODES
        if certain and written.get("at", "both") != "request":
            yield Conflict(
                ("at",) if "at" in written else ("code",),
                "at: response allows only codes that leave the outcome open"
                f" ({', '.join(OPEN_CODES)}); write at: request",
            )
        api = match.get("api") if isinstance(match, Mapping) else getattr(match, "api", None)
        if api in (*get_args(ApiName), "all") and api not in APIS_WITH_CODES:
            yield Conflict(
                ("match", "api"),
                f"{api} has no place for an error code; write one of {', '.join(APIS_WITH_CODES)}",
            )
        if written.get("empty") is True:
            text = "a request without partitions has no place for an error code; remove empty"
            yield Conflict(("empty",), text)


class Refuse(Strict):
    """Lets nobody connect.

    It has no cut point and no trigger, only a window. It stands for a server that is down
    (``refuse``: its listener is closed), one behind a firewall that resets (``rst``), or one too
    busy to answer (``hang``: accepted, and nothing ever comes back). Connections that exist stay.
    Not realistic: with ``hang`` the connect itself succeeds, where a host that is gone would not
    answer that either.
    """

    kind: ClassVar[str] = "refuse"

    name: Name = ""
    """The name in events and summary; without one it is named by its position: ``refuse-1``."""
    server: Server
    """Which server: ``sc``, ``spu`` for all SPUs, or ``spu:N``, numbered from 0."""
    how: Literal["refuse", "rst", "hang"] = "refuse"
    """``refuse``: the listener is closed. ``rst``: reset once accepted. ``hang``: accepted and
    never answered."""
    between: Window | None = None
    """Only in this window of the faults' clock; without one, always."""

    def covers(self, spu: int | None) -> bool:
        """Whether it concerns an SPU, or the SC (None)."""
        if spu is None:
            return self.server == "sc"
        return self.server in ("spu", f"spu:{spu}")


PlacedFault: TypeAlias = Delay | Drop | Duplicate | Disconnect | Stall | Error
"""A fault that strikes at a cut point."""

AnyFault: TypeAlias = PlacedFault | Refuse
"""Any fault."""
