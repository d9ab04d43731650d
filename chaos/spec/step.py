"""The base of all steps of a workload: their YAML form, and their effect on a run.

A step is a class with a ``kind`` in a module of ``steps/``. The class registers itself in
``STEPS``, from which scenarios, their schema and their guide are derived. A step declares its keys
as fields, and acts on a run through ``Harness``.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, ClassVar, Protocol, TypeAlias

from pydantic import Field, WithJsonSchema

from chaos.spec.consume_terms import ConsumeTerms
from chaos.spec.record_form import RecordForm
from simulator.documents.one_of import OneOf
from simulator.documents.quantities import Duration
from wire.registry import Registry

CancelAfter: TypeAlias = Duration | None
"""How long a call may take until its caller cancels it; None for a call that is not cancelled."""

BRANCHES_MAX = 100
"""The most branches that run at once; each is a task."""


class AnyCluster(Protocol):
    """What a step may change in every cluster."""

    def cut(self, server: str) -> None:
        """Reset the connections of a server."""

    async def create_topic(self, partitions: int) -> None:
        """Create the topic, unless it exists."""

    async def delete_topic(self) -> None:
        """Delete the topic, if it exists, and keep its logs in the history."""

    async def add_partitions(self, count: int) -> None:
        """Add partitions to the topic, if it exists."""


class SimulatorAlone(Protocol):
    """What a step may change in the simulator, and in no real cluster."""

    def move_leader(self, partition: int, to: int) -> None:
        """Make an SPU the leader of a partition, if the topic has it."""

    async def fail_leader(self, partition: int) -> None:
        """Stop the SPU that leads a partition, if there is the partition and the SPU runs."""

    async def stop_spu(self, spu: int) -> None:
        """Close the listener of an SPU and reset its connections."""

    async def start_spu(self, spu: int) -> None:
        """Make an SPU listen again."""

    async def change_address(self, spu: int) -> None:
        """Make an SPU listen at another address."""


class Harness(Protocol):
    """The part of a run that a step may use: the client with one producer, and the cluster.

    A client call that fails, is cancelled, or does not end within its bound, is recorded in the
    history; it raises nothing here. Times are in seconds.
    """

    async def send(
        self,
        count: int,
        form: RecordForm,
        *,
        wait: bool,
        pace: float,
        cancel_after: float | None,
    ) -> None:
        """Send records one by one.

        Args:
            count: the number of records.
            form: their values and keys.
            wait: whether each record is settled before the next one is sent.
            pace: how long to wait after each record.
            cancel_after: when each send is cancelled that has not returned by then.
        """

    async def send_all(self, count: int, form: RecordForm) -> None:
        """Send records with one call."""

    async def flush(self, cancel_after: float | None) -> None:
        """Flush the producer."""

    async def wait(self, cancel_after: float | None) -> None:
        """Wait until every record sent so far is settled."""

    async def wait_for(self, ids: Sequence[int], cancel_after: float | None) -> None:
        """Wait for single records, one after the other; each wait is a call."""

    async def close(self, cancel_after: float | None) -> None:
        """Close the producer; the next call of the client makes a new one."""

    async def leave(self, *, cancelled: bool) -> None:
        """Leave the block of the producer, by an exception of the application or cancelled; the
        next call of the client makes a new producer."""

    async def with_producer(self, steps: "Sequence[Step]") -> None:
        """Perform steps with another producer of the same client, and leave its block."""

    async def concurrently(self, branches: "Sequence[Sequence[Step]]") -> None:
        """Perform several lists of steps at once."""

    async def consume(self, terms: ConsumeTerms) -> None:
        """Read the topic with a consumer."""

    async def sleep(self, seconds: float) -> None:
        """Pause the workload."""

    @property
    def cluster(self) -> "AnyCluster":
        """The cluster."""

    @property
    def simulator(self) -> "SimulatorAlone":
        """The cluster, for a step that is ``simulator_only``."""


STEPS: "Registry[type[Any]]" = Registry(
    "step",
    order=(
        "send",
        "send_all",
        "flush",
        "wait",
        "close",
        "sleep",
        "concurrently",
        "with_producer",
        "leave",
        "consume",
        "create_topic",
        "delete_topic",
        "add_partitions",
        "move_leader",
        "fail_leader",
        "stop_spu",
        "start_spu",
        "change_address",
        "cut",
    ),
)
"""Every step by its word; each is a pydantic model and a ``Step``."""


class Step:
    """The base class of steps. A subclass with a ``kind`` is registered.

    Raises:
        ValueError: the word is taken.
    """

    kind: ClassVar[str]
    """Its word in YAML."""
    alone: ClassVar[str] = ""
    """Why the word alone is invalid, and what to write instead; empty if the word alone is
    valid."""
    example: ClassVar[Any] = {}
    """A minimal value of the step; for docs and tests."""
    simulator_only: ClassVar[bool] = False
    """Whether the simulator can do it and a real cluster cannot."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "kind" in cls.__dict__:
            STEPS.add(cls.kind, cls)

    @abstractmethod
    async def perform(self, run: Harness) -> None:
        """Perform the step; return when it is done or its bound has passed."""

    @property
    def inside(self) -> "Sequence[Step]":
        """The steps that are part of this one."""
        return ()


OneStep: TypeAlias = Annotated[Step, OneOf("step", STEPS)]
"""A field that holds one step."""

NESTED_STEP = "one step"
"""Marks a step inside a step in a JSON schema, which has the steps only once (``schema.py``)."""

NestedSteps: TypeAlias = Annotated[
    list[Annotated[OneStep, WithJsonSchema({"$comment": NESTED_STEP})]], Field(min_length=1)
]
"""A field of a step that holds steps."""


def every_step(steps: Iterable[Step]) -> Iterator[Step]:
    """Yield some steps and all steps inside them."""
    for step in steps:
        yield step
        yield from every_step(step.inside)
