"""What can go wrong, in few classes. Each text is for a person: one line, what and why.

An error of a *record* is a ``DeliveryError`` and says whether the record may be stored all the
same. Any other error is found before a record is accepted, so that nothing is lost by it.
"""

from enum import Enum


class Persisted(Enum):
    """Whether a record that could not be delivered is stored."""

    NO = "no"
    """Every attempt provably left nothing in the log."""
    MAYBE = "maybe"
    """At least one attempt is open: it was transmitted and never answered clearly."""


class FluvioError(Exception):
    """Any error of this package; the others derive from it."""


class ConfigError(FluvioError, ValueError):
    """What was asked for is not possible: an option, a profile, a topic's rule.

    Trying again does not help. Against ``ConnectError``: nothing was connected to for it.
    """


class NotFoundError(FluvioError):
    """The cluster says that it has no such topic, partition or SPU."""


class ConnectError(FluvioError):
    """A server cannot be reached, or does not speak the protocol; trying again may help.

    Against ``ConnectionLostError``: there was no connection yet.
    """


class ConnectionLostError(FluvioError):
    """A connection that was there ended, or was given up."""


class OverdueError(FluvioError):
    """Something did not happen in its time; the text says what."""


class RefusedError(FluvioError):
    """An SPU answered with an error code.

    Args:
        name: the code as Fluvio spells it.
        text: what to tell.
        retriable: whether another attempt can succeed.
    """

    def __init__(self, name: str, text: str, *, retriable: bool) -> None:
        super().__init__(text)
        self.name = name
        self.retriable = retriable


class DeliveryError(FluvioError):
    """A record was not delivered; its cause is chained.

    Args:
        text: what happened, for a person.
        persisted: whether the record may be stored all the same.
        attempts: how often the record was tried.
        seconds: how long that took.
    """

    def __init__(
        self,
        text: str,
        *,
        persisted: Persisted = Persisted.NO,
        attempts: int = 0,
        seconds: float = 0.0,
    ) -> None:
        super().__init__(text)
        self.persisted = persisted
        self.attempts = attempts
        self.seconds = seconds


class FlushError(DeliveryError):
    """Records sent before a flush were not delivered; the cause is the first one's error.

    Args:
        text: what happened, for a person.
        persisted: ``NO`` only if that holds for every one of them.
        records: how many there are.
    """

    def __init__(self, text: str, *, persisted: Persisted, records: int) -> None:
        super().__init__(text, persisted=persisted)
        self.records = records


class QueueFull(DeliveryError):  # noqa: N818  # the name that users and contracts know
    """There was no room for the record within the time that ``send`` may wait."""


class RecordTooLargeError(DeliveryError):
    """The record alone makes a request larger than ``max_request_size``."""


class ProducerClosedError(DeliveryError):
    """The producer was closed, or its block was cancelled, before the record was delivered."""
