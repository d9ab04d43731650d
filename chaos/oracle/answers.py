"""What the SPUs answered, as far as the events tell.

The events have answers as frames, not what stands in them. But they have what an answer follows
from: what was appended, and the faults that put a code in its place.
"""

from math import inf

from chaos.oracle.evidence import Evidence, Transmission
from simulator.events import Appended, FaultHit

RETRIABLE = (
    "NotLeaderForPartition",
    "RequestTimedOut",
    "StorageError",
    "PartitionShortCircuited",
    "UnknownServerError",
)
"""The codes after which another attempt is worth it; the others are final."""


class Answers:
    """The answers to produce requests of one run.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        topic = evidence.scenario.topic.name
        self._at = evidence.answered_at
        self._certain = not (
            evidence.scenario.cluster.commit_delay
            and evidence.scenario.producer.isolation == "read-committed"
        )
        self._appended: set[tuple[int | None, int | None]] = set()
        self._codes: dict[tuple[int | None, int | None], str] = {}
        for append in evidence.events_of(Appended):
            if append.topic == topic:
                self._appended.add((append.transmission, append.partition))
        for hit in evidence.events_of(FaultHit):
            if hit.topic == topic and hit.code is not None and not hit.shadowed:
                self._codes[hit.transmission, hit.partition] = hit.code

    def at(self, transmission: Transmission) -> float:
        """When the first answer was written in full; never, if none was."""
        return self._at.get(transmission.number, inf)

    def is_ok(self, transmission: Transmission) -> bool:
        """Whether it certainly said that the records are stored, if there was one."""
        key = transmission.number, transmission.partition
        return self._certain and key in self._appended and key not in self._codes

    def is_appended(self, transmission: Transmission) -> bool:
        """Whether the records of a request were stored."""
        return (transmission.number, transmission.partition) in self._appended

    def code(self, transmission: Transmission) -> str | None:
        """The code that a fault put into it, if one did."""
        return self._codes.get((transmission.number, transmission.partition))

    def final_code(self, transmission: Transmission) -> str | None:
        """The same, if the code is final."""
        code = self.code(transmission)
        return None if code in RETRIABLE else code


def answers(evidence: Evidence) -> Answers:
    """The answers of a run; for ``Evidence.once``."""
    return Answers(evidence)
