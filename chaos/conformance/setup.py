"""The setup of a session: what a recording does not show, written by hand.

A recording has the frames of one client. What lay in the cluster before, and what others did
meanwhile, is in a file of its own, ``NAME.setup.yaml`` beside ``NAME.jsonl``::

    topics:
      - name: golden-consume-all-476637
        partitions:
          - {leader: 0, records: [[r0, r0], [r1, r1]]}
          - {leader: 1}
    beside:
      - {at: 1.1s, produce: {topic: golden-consume-all-476637, records: [[k, late]]}}
      - {at: 3s, delete: golden-consume-all-476637}
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from chaos.conformance.documents import load_document
from chaos.spec.scenario import NonEmptyText
from simulator.documents.quantities import Count, Duration, Index
from simulator.documents.strict_model import Conflict, Strict
from wire.topic_name import SYSTEM_TOPIC

SETUP_SUFFIX = ".setup.yaml"

KeyAndValue = tuple[str | None, str]


class PartitionSetup(Strict):
    """One partition of a topic."""

    leader: Index = 0
    """The SPU that leads it, numbered from 0."""
    records: list[KeyAndValue] = Field(default_factory=list)
    """Its records, each ``[key, value]`` and in a batch of its own; the key may be null."""


class TopicSetup(Strict):
    """A topic."""

    name: NonEmptyText
    replicas: Count = 1
    """The replicas of each partition."""
    partitions: Annotated[list[PartitionSetup], Field(min_length=1)]
    """Its partitions, in order."""


class ProduceSetup(Strict):
    """Records that another client produces."""

    topic: str
    partition: Index = 0
    records: Annotated[list[KeyAndValue], Field(min_length=1)]
    """The records, each ``[key, value]`` and in a batch of its own."""


class Beside(Strict):
    """One thing that happens beside the session: ``create``, ``delete`` or ``produce``."""

    at: Duration
    """When it happens, on the clock of the recording."""
    create: TopicSetup | None = None
    """A topic that is created."""
    delete: str | None = None
    """The name of a topic that is deleted."""
    produce: ProduceSetup | None = None
    """Records that are produced."""

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield an error unless exactly one thing happens."""
        things = [key for key in ("create", "delete", "produce") if key in written]
        if len(things) != 1:
            yield Conflict((), "write one of create, delete and produce beside at")


class SessionSetup(Strict):
    """The setup of one session."""

    spus: Count = 2
    """The number of SPUs."""
    system_topic_leader: Index = 1
    """The SPU that leads the topic of consumer offsets: SPU 1 where the sessions were recorded."""
    first_fetch: Duration = 0.0
    """How long after the creation of a topic the followers of its partitions begin to fetch."""
    topics: list[TopicSetup] = Field(default_factory=list)
    """The topics that lie there before the session begins."""
    beside: list[Beside] = Field(default_factory=list)
    """What happens meanwhile, in any order."""

    def topic_names(self) -> set[str]:
        """Return the names of the topics that belong to the session, the system topic included."""
        created = [step.create for step in self.beside if step.create is not None]
        return {SYSTEM_TOPIC, *(topic.name for topic in [*self.topics, *created])}

    @classmethod
    def conflicts(cls, written: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield an error for each leader that does not exist."""
        spus = written.get("spus", 2)
        topics = written.get("topics", ())
        for n, topic in enumerate(topics if isinstance(topics, list) else ()):
            partitions = topic.get("partitions", ()) if isinstance(topic, Mapping) else ()
            for p, partition in enumerate(partitions if isinstance(partitions, list) else ()):
                leader = partition.get("leader", 0) if isinstance(partition, Mapping) else 0
                if isinstance(leader, int) and isinstance(spus, int) and leader >= spus:
                    where = ("topics", n, "partitions", p, "leader")
                    yield Conflict(where, f"there is no SPU {leader}; spus is {spus}")


def setup_path(recording: Path) -> Path:
    """Return the path of the setup of a recording."""
    return recording.with_suffix(SETUP_SUFFIX)


def load_setup(path: Path) -> SessionSetup:
    """Load a setup.

    Raises:
        ConformanceFileError: the file cannot be read, or has mistakes.
    """
    return load_document(path, SessionSetup)
