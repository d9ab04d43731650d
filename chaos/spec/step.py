"""A step of a workload: what it says, and what it does to a run.

A step is a class with a ``kind`` in a module of ``steps/``: that registers it in ``STEPS``, from
which scenarios, their schema and their guide follow. It declares its keys as fields, and performs
itself through ``Harness``, the part of a run that a step may touch.
"""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Protocol

from pydantic import PlainValidator, WithJsonSchema

from simulator.documents.quantities import parse_size
from wire.registry import Registry

ID_BYTES = 8
"""What the id of a record takes at the start of its value: the least size of a value."""


def _value_size(value: object) -> int:
    size = parse_size(value)
    if size < ID_BYTES:
        raise ValueError(f"{size} bytes do not hold the id of a record; write {ID_BYTES} or more")
    return size


ValueSize = Annotated[
    int,
    PlainValidator(_value_size),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": ID_BYTES},
                {"type": "string", "pattern": "^[0-9]+ ?(KiB|MiB|GiB)?$", "examples": ["1KiB"]},
            ]
        }
    ),
]
"""A field with the bytes of a value; each value starts with the id of its record."""


class Harness(Protocol):
    """What a step may do with the run that it is part of.

    A call of the client that fails, or does not end within its bound, is written down in the
    history; it raises nothing here.
    """

    async def send(self, count: int, size: int, keys: int, *, wait: bool, pace: float) -> None:
        """Send records one by one.

        Args:
            count: how many.
            size: bytes of each value.
            keys: how many different keys they take turns with; 0 for no key.
            wait: whether each is settled before the next one is sent.
            pace: seconds to wait after each.
        """

    async def send_all(self, count: int, size: int, keys: int) -> None:
        """Send records with one call."""

    async def flush(self) -> None:
        """Flush the producer."""

    async def wait(self) -> None:
        """Wait until every record sent before is settled."""

    async def sleep(self, seconds: float) -> None:
        """Do nothing for a while."""

    def move_leader(self, partition: int, to: int) -> None:
        """Make an SPU the leader of a partition."""

    async def stop_spu(self, spu: int) -> None:
        """Close the listener of an SPU and reset its connections."""

    async def start_spu(self, spu: int) -> None:
        """Have an SPU listen again."""


STEPS: "Registry[type[Any]]" = Registry(
    "step",
    order=("send", "send_all", "flush", "wait", "sleep", "move_leader", "stop_spu", "start_spu"),
)
"""Every step, by its word; each is a pydantic model and a ``Step``."""


class Step:
    """The part of a step that is no pydantic model. A subclass with a ``kind`` is a step.

    Raises:
        ValueError: another step has the word.
    """

    kind: ClassVar[str]
    """The word for it in YAML."""
    alone: ClassVar[str] = ""
    """Why the word alone means nothing, and what to write; empty if it means the defaults."""
    example: ClassVar[Any] = {}
    """What stands below the word of one with as little said as possible; for docs and tests."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in cls.__dict__:
            STEPS.add(cls.kind, cls)

    @abstractmethod
    async def perform(self, run: Harness) -> None:
        """Do it; returns when it is done or its bound is over."""
