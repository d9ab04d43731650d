"""When a producer was closed, and whether that settled its records."""

from math import inf

from chaos.oracle.evidence import Evidence

CLOSING = ("close", "leave")
"""The calls that close a producer."""


class Closing:
    """The ends of the producers in one run; all times are in seconds.

    Args:
        evidence: the run.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._begun: dict[int, float] = {}
        self._given_up: dict[int, float] = {}
        for call in evidence.history.calls:
            if call.op in CLOSING:
                self._begun.setdefault(call.producer, call.started)
                if call.given_up is not None:
                    self._given_up.setdefault(call.producer, call.given_up)

    def begun(self, producer: int) -> float:
        """Return when the closing of a producer began: it accepts no record from then on."""
        return self._begun.get(producer, inf)

    def was_given_up(self, producer: int, by: float) -> bool:
        """Return whether the harness had given up the closing of a producer, and with it all that
        was open. Closing a producer settles everything as usual, so that nothing else excuses a
        loss."""
        return by >= self.given_up_at(producer) < inf

    def given_up_at(self, producer: int) -> float:
        """Return when the harness gave up the closing of a producer."""
        return self._given_up.get(producer, inf)


def closing(evidence: Evidence) -> Closing:
    """Return the ends of the producers of a run; for ``Evidence.once``."""
    return Closing(evidence)
