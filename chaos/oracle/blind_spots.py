"""Records about which the checks cannot know: what an effect that they do not reckon with struck.

A fault says with its effects what it did to an exchange, and checks reckon with those in
``RECKONED``: a request that was not applied, an answer that was late. Where bytes were altered on
their way nothing is known of what the client or the SPU then made of them, and where a fault has an
effect that is not known at all, of a later version perhaps, anything may have come of it. The
records that such a fault touched are *blind spots*: a check counts them and says nothing of them.
It never accuses for want of sight.

A fault touches the records of the request that it struck, and those whose answers were open on that
connection: a client that cannot make sense of an answer gives the connection up. An unknown effect
on anything but a produce request touches every record, and may last, so that it touches the probes,
too.
"""

from collections.abc import Iterator

from chaos.oracle.evidence import Evidence
from simulator.events import FaultHit, FrameRead, FrameWritten
from simulator.faults.effects import CutPoint, Effect

RECKONED = frozenset(Effect) - {Effect.ALTERS_BYTES, Effect.FORGES_ANSWER}
"""The effects that all checks reckon with."""

KNOWN = frozenset(Effect)
"""The effects of which it is known what they may touch."""


def blind_spots(evidence: Evidence) -> frozenset[int]:
    """The ids of all records out of sight; for ``Evidence.once``."""
    found: set[int] = set()
    for hit in evidence.events_of(FaultHit):
        if not hit.shadowed and not RECKONED.issuperset(hit.effects):
            found.update(_touched(evidence, hit))
    return frozenset(found)


def altered_requests(evidence: Evidence) -> frozenset[int]:
    """The numbers of the requests whose records may be stored otherwise than they were sent; for
    ``Evidence.once``.
    """
    return frozenset(
        hit.transmission
        for hit in evidence.events_of(FaultHit)
        if not hit.shadowed and hit.at is CutPoint.REQUEST and not RECKONED.issuperset(hit.effects)
    )


def surprises(hit: FaultHit) -> bool:
    """Whether a fault has an effect that nothing is known about."""
    return not KNOWN.issuperset(hit.effects)


def breaks(hit: FaultHit) -> bool:
    """Whether the connection may have ended by what a fault did, by either side."""
    return (
        Effect.ENDS_CONNECTION in hit.effects
        or (Effect.ALTERS_BYTES in hit.effects and hit.at is CutPoint.RESPONSE)
        or Effect.FORGES_ANSWER in hit.effects
        or surprises(hit)
    )


def _touched(evidence: Evidence, hit: FaultHit) -> Iterator[int]:
    if surprises(hit):
        if hit.api != "produce":
            yield from range(len(evidence.records))
        yield from (record.id for record in evidence.records if record.probe)
    yield from evidence.ids_by_transmission.get(hit.transmission, ())
    answered = {
        written.transmission
        for written in evidence.events_of(FrameWritten)
        if written.whole and written.n < hit.n
    }
    for read in evidence.events_of(FrameRead):
        before = read.n < hit.n and read.connection == hit.connection
        if before and read.transmission not in answered:
            yield from evidence.ids_by_transmission.get(read.transmission, ())
