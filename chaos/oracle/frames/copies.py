"""Stored copies without an explanation, and how often records that are equal were transmitted."""

from collections import Counter
from collections.abc import Iterator, Mapping

from chaos.oracle.evidence import Evidence

SHOWN_BYTES = 40
"""How many bytes of a value a sentence shows."""


def surplus(evidence: Evidence) -> Iterator[tuple[int, str]]:
    """Yield the id of each record with more copies than transmissions, and the text of the
    violation.

    Copies that a fault made by duplicating a request are not counted, nor are copies that no
    request carried, which are phantoms.
    """
    transmissions, every = evidence.transmissions, evidence.copies
    for record_id in sorted(evidence.several_copies):
        copies = every[record_id]
        if evidence.records[record_id].probe:
            continue
        own = [c for c in copies if c.copied_by is None and c.transmission is not None]
        if len(own) > len(transmissions[record_id]):
            where = " and ".join(f"{copy.partition}@{copy.offset}" for copy in own[:2])
            times = "once" if len(transmissions[record_id]) == 1 else "less often"
            text = (
                f"record {record_id} is stored {len(own)} times ({where}), but it was transmitted "
                f"{times}, and no fault duplicated the request"
            )
            yield record_id, text


def with_value(value: bytes) -> str:
    """Return what the records that are equal have, for a sentence."""
    if not value:
        return "without key and value"
    more = "..." if len(value) > SHOWN_BYTES else ""
    return f"with the value {value[:SHOWN_BYTES]!r}{more}"


def equal_transmissions(evidence: Evidence) -> Mapping[bytes, int]:
    """Return, by the value of records that are equal, how often requests carried one of them."""
    topic, found = evidence.scenario.topic.name, Counter[bytes]()
    for read in evidence.requests if evidence.without_id else ():
        for name, _, data in read.carried:
            if name == topic:
                found.update(evidence.record_ids.equal_in(data))
    return found
