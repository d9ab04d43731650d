"""The answers of the SPUs to produce requests, as far as the events show them.

The events record answers as frames, without their content. The content follows from other events:
what was appended, and which faults replaced an answer by an error code.
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
"""The error codes after which a retry may succeed; all others are final."""


class Answers:
    """The answers to the produce requests of one run.

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
        """Return when the first answer to a request was written in full; infinity if none was."""
        return self._at.get(transmission.number, inf)

    def is_ok(self, transmission: Transmission) -> bool:
        """Return whether an answer, if there was one, certainly reported success."""
        key = transmission.number, transmission.partition
        return self._certain and key in self._appended and key not in self._codes

    def is_appended(self, transmission: Transmission) -> bool:
        """Return whether the records of a request were stored."""
        return (transmission.number, transmission.partition) in self._appended

    def code(self, transmission: Transmission) -> str | None:
        """Return the error code that a fault put into the answer; None if no fault did."""
        return self._codes.get((transmission.number, transmission.partition))

    def final_code(self, transmission: Transmission) -> str | None:
        """Return the same code if it is final, else None."""
        code = self.code(transmission)
        return None if code in RETRIABLE else code


def answers(evidence: Evidence) -> Answers:
    """Return the answers of a run; for ``Evidence.once``."""
    return Answers(evidence)
