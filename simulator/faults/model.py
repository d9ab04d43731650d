"""The fault model: what a fault is, apart from its kind.

One exchange on a connection has two moments at which a fault can strike:

    client ---request---> | SPU reads | SPU applies | ---response---> client
              ^ at: request                 ^ at: response

A fault is a *kind* (what happens), a *cut point* (at which moment) and a *trigger* (which of the
matching exchanges). Lost before it was applied, and applied but the answer lost, are different
faults: only the second one makes a careful client write a record twice.

A kind is a class with a ``kind`` in a module of ``kinds/``: that registers it in ``FAULTS``, from
which unions, tables, schemas and help texts follow. The models hold what was written and say what
action that is; ``fault_list.py`` reads their YAML form and ``plan.py`` evaluates them. TCP keeps
the bytes of a connection in order and never loses one, so the docstring of each kind says what real
event it stands for and what about it is not realistic.
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
"""What a match says for every API."""

FAULTS: "Registry[type[Fault]]" = Registry(
    "fault kind",
    order=("delay", "drop", "duplicate", "corrupt", "disconnect", "stall", "error", "refuse"),
)
"""Every kind of fault, by its word."""

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
    """Which exchanges a fault concerns: those that satisfy every field."""

    api: Annotated[str, OneWord(lambda: (*APIS, ALL_APIS))] = "produce"
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
        api = APIS.get(str(written.get("api", "produce")))
        if api is not None and not api.names_partitions:
            for key in ("topic", "partition"):
                if written.get(key) is not None:
                    yield Conflict((key,), f"{api.name} requests name no partitions; remove {key}")


class Fault(Strict):
    """What all faults have in common. A subclass with a ``kind`` of its own is a kind."""

    kind: ClassVar[str]
    """The word for it in YAML, and the first half of the name of an unnamed one."""
    example: ClassVar[Mapping[str, Any]] = {}
    """The fields without which one cannot be written, with a value for each; for docs and tests."""

    name: Name = ""
    """The name in events and summary, and part of every draw; without one the fault is named by
    its kind and its position in the list, from 1: ``drop-1``."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Register the kind.

        Raises:
            ValueError: another class has its word.
        """
        super().__pydantic_init_subclass__(**kwargs)
        if "kind" in cls.__dict__:
            FAULTS.add(cls.kind, cls)

    @classmethod
    def made(cls, **fields: Any) -> Self:
        """One of this kind, with its ``example`` for what is not given."""
        return cls.model_validate({**cls.example, **fields})

    @property
    def spu_named(self) -> int | None:
        """The index of the SPU that it names, if it names one."""
        raise NotImplementedError


class Placed(Fault):
    """A fault that strikes at a cut point."""

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

    @property
    def cut_points(self) -> tuple[CutPoint, ...]:
        """Where it strikes."""
        return tuple(at for at in CutPoint if self.at in (at.value, "both"))

    @property
    def spu_named(self) -> int | None:
        """The index of the SPU that it names, if it names one."""
        return self.match.spu

    def action(self, at: CutPoint) -> Action:
        """What it does to each frame that it strikes there; a pure function of the fields."""
        raise NotImplementedError

    @classmethod
    def pinned(
        cls, fields: Mapping[str, Any], at: CutPoint, delay_s: float | None
    ) -> dict[str, Any]:
        """The fields of one that strikes one frame only, as plain data.

        Args:
            fields: those of the fault that it is made of, without ``at`` and trigger.
            at: where it strikes.
            delay_s: by how many seconds the frame was late, if that is known.
        """
        return dict(fields)

    def effects(self, at: CutPoint) -> tuple[Effect, ...]:
        """What a client and a judge must expect of a frame that it strikes there."""
        return self.action(at).effects(at)


_REFUSAL_EFFECTS = {
    "refuse": Effect.HIDES_ATTEMPTS,
    "rst": Effect.ENDS_CONNECTION,
    "hang": Effect.SILENCES,
}


class Refusal(Fault):
    """A fault that keeps clients from connecting: no cut point and no trigger, only a window."""

    server: ServerName
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

    @property
    def spu_named(self) -> int | None:
        """The index of the SPU that it names, if it names one."""
        _, _, number = self.server.partition(":")
        return int(number) if number else None

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What a client and a judge must expect of a connect that it strikes."""
        return (_REFUSAL_EFFECTS[self.how],)
