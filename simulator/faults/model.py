"""The fault model: what all faults have in common, whatever their kind.

A fault can strike one exchange on a connection at two cut points:

    client ---request---> | SPU reads | SPU applies | ---response---> client
              ^ at: request                 ^ at: response

A fault has a *kind* (what happens), a *cut point* (when) and a *trigger* (which of the matching
exchanges). A request that is lost before it is applied and a response that is lost after that are
different faults: only the second makes a client that retries store a record twice.

A kind is a class with a ``kind`` in a module of ``kinds/``. The class registers itself in
``FAULTS``, from which unions, tables, schemas and help texts follow. The models hold the fields of
a fault and declare its actions; ``fault_list.py`` reads their YAML form, and ``plan.py`` evaluates
them. TCP keeps the bytes of a connection in order and loses none, so the docstring of each kind
says which real failure it models and what is not realistic about it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, PlainValidator, StrictBool, WithJsonSchema

from simulator.documents.one_of import OneWord
from simulator.documents.quantities import Count, Index, Ordinals, Probability, Window
from simulator.documents.strict_model import Conflict, Strict, shown
from simulator.faults.effects import Action, CutPoint, Effect
from wire.api import APIS
from wire.registry import Registry

TRIGGERS = ("probability", "nth", "every")
"""The fields of which a fault has at most one."""

ALL_APIS = "all"
"""The value of ``match.api`` that stands for every API."""

FAULTS: "Registry[type[Fault]]" = Registry(
    "fault kind",
    order=(
        "delay",
        "drop",
        "duplicate",
        "corrupt",
        "disconnect",
        "stall",
        "error",
        "forge",
        "refuse",
    ),
)
"""Every kind of fault, by its ``kind``."""

_SERVER = re.compile("sc|spu|spu:(0|[1-9][0-9]{0,8})")


def _server(value: object) -> str:
    if not isinstance(value, str) or not _SERVER.fullmatch(value):
        raise ValueError(f"{shown(value)} is not a server; write sc, spu (all SPUs) or spu:N")
    return value


ServerName = Annotated[
    str,
    PlainValidator(_server),
    WithJsonSchema({"type": "string", "pattern": f"^({_SERVER.pattern})$"}),
]

Name = Annotated[str, Field(min_length=1)]


class Match(Strict):
    """Selects the exchanges that a fault concerns: those that satisfy every field."""

    api: Annotated[str, OneWord(lambda: (*APIS, ALL_APIS))] = "produce"
    """The API of the request, or ``all``."""
    topic: Name | None = None
    """A topic that the request names; only produce and fetch requests name topics."""
    partition: Index | None = None
    """A partition that the request names, of ``topic`` if that is set."""
    entry: Index | None = None
    """The position of an entry in the request, from 0. A request with fewer entries does not match;
    ``error``, ``corrupt`` and ``forge`` concern this entry alone."""
    spu: Index | None = None
    """The SPU that receives the request, numbered from 0."""
    connection: Count | None = None
    """The connection, numbered from 1 in the order in which connections are accepted."""
    client_id: str | None = None
    """The client id in the header of the request."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Report a topic, partition or entry for an API whose requests name no partitions."""
        api = APIS.get(str(written.get("api", "produce")))
        if api is not None and not api.names_partitions:
            for key in ("topic", "partition", "entry"):
                if written.get(key) is not None:
                    yield Conflict((key,), f"{api.name} requests name no partitions; remove {key}")


class Fault(Strict):
    """The base class of all faults. A subclass that declares ``kind`` is a fault kind."""

    kind: ClassVar[str]
    """The name of the kind in YAML, and the first half of the default name of a fault."""
    example: ClassVar[Mapping[str, Any]] = {}
    """A value for each required field; for docs and tests."""

    name: Name = ""
    """The name in events and the summary, and part of every draw. By default a fault is named by
    its kind and its position in the list, from 1: ``drop-1``."""
    optional: StrictBool = False
    """Whether a run of ``chaos`` counts although the fault never fired in it."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the kind.

        Raises:
            ValueError: another class has the same ``kind``.
        """
        super().__pydantic_init_subclass__(**kwargs)
        if "kind" in cls.__dict__:
            FAULTS.add(cls.kind, cls)

    @classmethod
    def made(cls, **fields: Any) -> Self:
        """Return a fault of this kind; ``example`` supplies the fields that are not given."""
        return cls.model_validate({**cls.example, **fields})

    @property
    def closes_listeners(self) -> bool:
        """Whether the fault acts by closing listeners, which leaves no event of a connect."""
        return False

    @property
    def spu_named(self) -> int | None:
        """The index of the SPU that the fault names, or None."""
        raise NotImplementedError


_CUT_POINTS = {
    "request": (CutPoint.REQUEST,),
    "response": (CutPoint.RESPONSE,),
    "both": (CutPoint.REQUEST, CutPoint.RESPONSE),
}


class Placed(Fault):
    """A fault that strikes at a cut point."""

    at: Literal["request", "response", "both"] = "both"
    """The cut point: before the request is applied, after that, or both with a draw for each."""
    probability: Probability | None = None
    """Trigger: the probability that the fault strikes a matching exchange, drawn from the seed."""
    nth: Ordinals | None = None
    """Trigger: the ordinals of the matching exchanges to strike, a number or a list. Ordinals count
    from 1, separately for each topic and partition; for requests that name no partition, separately
    for each connection."""
    every: Count | None = None
    """Trigger: strike each exchange whose ordinal is a multiple of this number."""
    between: Window | None = None
    """Strike only in this window of the faults' clock; ordinals also count outside of it."""
    limit: Count | None = None
    """The maximum number of strikes, in all partitions, on all connections and at both cut points
    together."""
    match: Match = Match()
    """Selects the exchanges that the fault concerns."""
    empty: StrictBool = False
    """Whether the fault also concerns produce and fetch requests without partitions. Clients send
    them at times that depend on load, so they do not count by default."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Report more than one trigger."""
        triggers = [key for key in TRIGGERS if written.get(key) is not None]
        if len(triggers) > 1:
            first, *others = triggers
            text = f"a fault has at most one trigger; remove {' and '.join(others)} or {first}"
            yield Conflict((others[0],), text)

    @property
    def cut_points(self) -> tuple[CutPoint, ...]:
        """The cut points at which the fault strikes."""
        return _CUT_POINTS[self.at]

    @property
    def spu_named(self) -> int | None:
        """The index of the SPU that the fault names, or None."""
        return self.match.spu

    def action(self, at: CutPoint) -> Action:
        """Return the action on each frame that the fault strikes; a pure function of the fields."""
        raise NotImplementedError

    @classmethod
    def pinned(
        cls, fields: Mapping[str, Any], at: CutPoint, delay_s: float | None
    ) -> dict[str, Any]:
        """Return the fields of a fault that strikes exactly one frame, as plain data.

        Args:
            fields: the fields of the original fault, without ``at`` and trigger.
            at: the cut point.
            delay_s: the delay of the frame in seconds, if known.
        """
        return dict(fields)

    def effects(self, at: CutPoint) -> tuple[Effect, ...]:
        """Return the effects on a frame that the fault strikes at a cut point."""
        return self.action(at).effects(at)


APIS_WITH_RECORDS = ("produce", "fetch")
"""The APIs whose request or response carries records."""


def api_matched(written: Mapping[str, Any]) -> str | None:
    """Return the API that the fields of a fault match, as far as they say so."""
    match = written.get("match")
    return match.get("api") if isinstance(match, Mapping) else getattr(match, "api", None)


class OfRecords(Placed):
    """A fault that strikes only requests about records, and the answers to them."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Report a match without records."""
        yield from super().conflicts(written)
        api = api_matched(written)
        if api in (*APIS, ALL_APIS) and api not in APIS_WITH_RECORDS:
            text = f"{api} carries no records; write one of {', '.join(APIS_WITH_RECORDS)}"
            yield Conflict(("match", "api"), text)
        if written.get("empty") is True:
            text = f"a request without partitions carries no records to {cls.kind}; remove empty"
            yield Conflict(("empty",), text)


_REFUSAL_EFFECTS = {
    "refuse": Effect.HIDES_ATTEMPTS,
    "rst": Effect.ENDS_CONNECTION,
    "hang": Effect.SILENCES,
}


class Refusal(Fault):
    """A fault that prevents new connections: it has no cut point, but a window, and ordinals of
    connects."""

    server: ServerName
    """The server: ``sc``, ``spu`` for all SPUs, or ``spu:N``, numbered from 0."""
    how: Literal["refuse", "rst", "hang"] = "refuse"
    """``refuse``: the listener is closed. ``rst``: the connection is accepted and reset. ``hang``:
    the connection is accepted and never answered."""
    nth: Ordinals | None = None
    """Trigger of ``rst`` and ``hang``: the ordinals of the connects to strike, a number or a list.
    Ordinals count the connections that a server accepts, from 1, separately for each server; by
    default every connect is struck."""
    between: Window | None = None
    """Strike only in this window of the faults' clock; ordinals also count outside of it. By
    default always."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Report an ordinal of a closed listener, which accepts nothing that could be counted."""
        if written.get("nth") is not None and written.get("how", "refuse") == "refuse":
            text = "a closed listener counts no connects; write how: rst, how: hang or between"
            yield Conflict(("nth",), text)

    @property
    def closes_listeners(self) -> bool:
        """Whether the fault closes listeners; the other ones let them accept connections."""
        return self.how == "refuse"

    def covers(self, spu: int | None) -> bool:
        """Return whether the fault concerns an SPU, or the SC if ``spu`` is None."""
        if spu is None:
            return self.server == "sc"
        return self.server in ("spu", f"spu:{spu}")

    @property
    def spu_named(self) -> int | None:
        """The index of the SPU that the fault names, or None."""
        _, _, number = self.server.partition(":")
        return int(number) if number else None

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The effects on a connection attempt that the fault strikes."""
        return (_REFUSAL_EFFECTS[self.how],)
