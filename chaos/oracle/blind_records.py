"""Blind records: records that the checks cannot judge, because a fault had an effect that they do
not model.

Each fault hit lists its effects on the exchange. The checks model the effects in ``MODELLED``, such
as a request that was not applied or a late answer. After altered bytes, the behaviour of the client
or the SPU is not predictable. After an unknown effect, perhaps of a later version, anything may
happen. The records that such a fault touched are *blind records*: a check counts them and does not
judge them. A check never accuses a client for lack of visibility.

Records that are equal to others, with the same value or with neither a value nor a key, are blind
too: ``acked-is-stored`` and ``no-duplicates`` count them.

A fault touches the records of the request that it hit, and the records with open answers on the
same connection, since a client that cannot decode an answer gives up the connection. An unknown
effect may last: it also touches the probes, and every record if it hits anything but a produce
request.
"""

from collections.abc import Iterable, Iterator, Mapping

from chaos.oracle.evidence import MODELLED, Evidence
from chaos.oracle.finding import UNMODELLED_EFFECT, WITHOUT_ID
from simulator.events import FaultHit, FrameRead, FrameWritten
from simulator.faults.effects import CutPoint, Effect

KNOWN = frozenset(Effect)
"""The effects whose reach is known."""

RECORD_CAUSES = (UNMODELLED_EFFECT, WITHOUT_ID)
"""The causes that make a record a blind record."""


def blind_records(evidence: Evidence) -> Mapping[int, str]:
    """Return the ids of all blind records, each with its cause; for ``Evidence.once``."""
    found = dict.fromkeys(evidence.without_id, WITHOUT_ID)
    if not evidence.once(has_unmodelled_effects):
        return found
    open_requests: dict[int, dict[int, None]] = {}
    """By connection, the requests that are not answered yet."""
    for happened in evidence.server_events:
        match happened:
            case FrameRead():
                open_requests.setdefault(happened.connection, {})[happened.transmission] = None
            case FrameWritten(whole=True):
                open_requests.get(happened.connection, {}).pop(happened.transmission, None)
            case FaultHit(shadowed=False) if not MODELLED.issuperset(happened.effects):
                touched = _touched(evidence, happened, open_requests.get(happened.connection, {}))
                found.update(dict.fromkeys(touched, UNMODELLED_EFFECT))
    return found


def has_unmodelled_effects(evidence: Evidence) -> bool:
    """Return whether a fault had an effect that not all checks model; for ``Evidence.once``."""
    hits = evidence.events_of(FaultHit)
    return any(not hit.shadowed and not MODELLED.issuperset(hit.effects) for hit in hits)


def has_unknown_effect(hit: FaultHit) -> bool:
    """Return whether a fault has an unknown effect."""
    return not KNOWN.issuperset(hit.effects)


def may_end_connection(hit: FaultHit) -> bool:
    """Return whether either side may have ended the connection because of a fault."""
    return (
        Effect.ENDS_CONNECTION in hit.effects
        or (Effect.ALTERS_BYTES in hit.effects and hit.at is CutPoint.RESPONSE)
        or Effect.FORGES_ANSWER in hit.effects
        or has_unknown_effect(hit)
    )


def _touched(evidence: Evidence, hit: FaultHit, unanswered: Iterable[int]) -> Iterator[int]:
    if has_unknown_effect(hit):
        if hit.api != "produce":
            yield from range(len(evidence.records))
        yield from (record.id for record in evidence.records if record.probe)
    yield from evidence.ids_by_transmission.get(hit.transmission, ())
    for number in unanswered:
        yield from evidence.ids_by_transmission.get(number, ())
