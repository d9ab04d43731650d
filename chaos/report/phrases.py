"""The sentences for single events and outcomes, for narratives."""

from collections.abc import Sequence

from chaos.history import SentRecord
from chaos.oracle.evidence import Transmission
from simulator.events import (
    AddressChanged,
    ConnectionsCut,
    ConnectRefused,
    DialRefused,
    Event,
    Evicted,
    FaultHit,
    Healed,
    LeaderElected,
    LeaderMoved,
    ListenerClosed,
    ListenerReopened,
    PartitionsAdded,
    PartitionServed,
    SpuStarted,
    SpuStopped,
    TopicCreated,
    TopicDeleted,
)
from simulator.faults.effects import CutPoint, Effect

KEY_CHARS_MAX = 40
"""The most characters of a record key that are shown."""

_ENDINGS = {"rst": "reset", "fin": "closed", "half-close": "half-closed"}
_FORGED = {
    "topic": "it is about another topic",
    "partition": "it is about another partition",
    "missing-entry": "it lacks the last result",
    "extra-entry": "it repeats the last result",
    "offset": "its offset is below zero",
    "correlation-id": "it answers a request that does not exist",
}
_TURNED_AWAY = {"rst": "reset", "hang": "left hanging"}


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, for example ``1 record`` or ``20 records``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def joined(parts: Sequence[str]) -> str:
    """Return words as a list: ``a``, ``a and b``, ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def key(raw: bytes) -> str:
    """Return a record key as text, with escapes for bytes that are not UTF-8."""
    text = raw.decode(errors="backslashreplace")
    return text if len(text) <= KEY_CHARS_MAX else text[: KEY_CHARS_MAX - 3] + "..."


def named(record: SentRecord) -> str:
    """Return a record with its id, for example ``record 3``, or ``probe 3`` for a probe."""
    return f"{'probe' if record.probe else 'record'} {record.id}"


# --- faults


def concerns(hit: FaultHit, topic: str, transmission: Transmission) -> bool:
    """Return whether a fault affected an entry of a request.

    An error code affects some entries; any other effect concerns the whole frame.
    """
    if hit.shadowed:
        return False
    return hit.code is None or (
        hit.topic == topic and hit.concerns(transmission.partition, transmission.entry)
    )


def struck(hit: FaultHit) -> str:
    """Return the sentence for the effects of a fault on a request or on its answer."""
    by = f"by fault {hit.fault}"
    at_request = hit.at is CutPoint.REQUEST
    frame = "the request" if at_request else "the answer"
    effects = hit.effects
    parts: list[str] = []
    if Effect.LATE in effects:
        parts.append(f"{frame} delayed by {hit.delay_s * 1000:.3f}ms {by}")
    if Effect.ALTERS_BYTES in effects:
        parts.append(f"{frame} altered {by}")
    if Effect.FORGES_ANSWER in effects:
        parts.append(f"{frame} forged {by}: {_FORGED.get(hit.what or '', 'it is false')}")
    if Effect.REPEATED in effects:
        parts.append(f"{frame} delivered twice {by}")
    if hit.code is not None:
        refused = f"refused with {hit.code} {by}, not applied"
        parts.append(refused if at_request else f"given {hit.code} {by}")
    if Effect.ENDS_CONNECTION in effects:
        parts.append(_ended(hit))
    elif Effect.SILENCES in effects:
        effect = "read from" if at_request else "written to"
        parts.append(f"connection {hit.connection} stalled {by}: nothing more is {effect} it")
    elif Effect.NOT_ANSWERED in effects and Effect.FORGES_ANSWER not in effects:
        effect = ": it never reaches the SPU" if at_request else ""
        parts.append(f"{frame} dropped {by}{effect}")
    return ", ".join(parts) or f"{frame} struck {by}: {hit.kind}"


def _ended(hit: FaultHit) -> str:
    what = f"connection {hit.connection} {_ENDINGS[hit.how or 'rst']} by fault {hit.fault}"
    if hit.after_bytes:
        return f"{what} after {hit.after_bytes} bytes of the answer"
    if hit.at is CutPoint.RESPONSE:
        return f"{what} instead of the answer"
    if hit.how == "half-close":
        return f"{what}: requests are still applied, and never answered"
    return f"{what} before the request was applied"


# --- the cluster


def around(event: Event) -> str:
    """Return the sentence for an event that belongs to no request."""
    match event:
        case ConnectRefused():
            how = _TURNED_AWAY.get(event.how, "refused")
            return f"a connect to {event.server} {how} by fault {event.fault}"
        case DialRefused():
            return f"a connect to {event.server} refused: nothing listens there"
        case Healed():
            return "all faults lifted"
        case ListenerClosed():
            return f"{event.server} refuses connections by fault {event.fault}"
        case ListenerReopened():
            return f"{event.server} listens again, fault {event.fault} is over"
        case AddressChanged():
            return f"spu:{event.spu} listens on {event.address}, its connections are reset"
        case ConnectionsCut():
            return f"the connections of {event.server} are reset"
        case SpuStopped():
            return f"spu:{event.spu} stopped"
        case SpuStarted():
            return f"spu:{event.spu} started"
    return _partition_change(event) or _topic_change(event) or type(event).__name__


def _partition_change(event: Event) -> str:
    """Return the sentence for a change of one partition; empty for other events."""
    match event:
        case LeaderMoved():
            return f"the leader of {event.topic}/{event.partition} moved to spu:{event.spu}"
        case LeaderElected():
            where = f"{event.topic}/{event.partition}"
            return (
                f"spu:{event.spu} elected to lead {where}, where it has {event.kept_to:,} records"
            )
        case PartitionServed():
            return f"spu:{event.spu} serves {event.topic}/{event.partition} again"
        case Evicted():
            where = f"{event.topic}/{event.partition}"
            return f"the records of {where} before offset {event.start_offset:,} are evicted"
    return ""


def _topic_change(event: Event) -> str:
    """Return the sentence for a change of a topic; empty for other events."""
    match event:
        case PartitionsAdded():
            return f"{counted(len(event.leaders), 'partition')} added to topic {event.topic}"
        case TopicCreated():
            return f"topic {event.topic} created"
        case TopicDeleted():
            return f"topic {event.topic} deleted"
    return ""


# --- outcomes


def outcome(record: SentRecord, topic: str) -> str:
    """Return the sentence for the outcome that the client reported for a record."""
    error = f": {record.error}" if record.error else ""
    if record.outcome == "ok":
        if record.offset is None:  # not every client tells the place
            return "acknowledged"
        return f"acknowledged: {topic}/{record.partition}@{record.offset}"
    if record.queue_full and record.taken_at is None:
        return f"not accepted by the producer{error}"
    if record.outcome == "failed":
        return f"reported failed, certainly not stored{error}"
    return f"reported failed, possibly stored{error}"
