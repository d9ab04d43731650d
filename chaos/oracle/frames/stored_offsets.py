"""Behind which stored offsets a consumer may resume.

An SPU stores the offset that a consumer sends; the answer says that it is stored. Without an answer
it may be stored at any later time. Two that were under way at once may be stored in either order.
"""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from math import inf

from chaos.consumption import Consumption, OffsetSent, OffsetStored, RecordsConsumed
from chaos.oracle.evidence import Evidence


@dataclass(slots=True)
class _Place:
    """The stored offset of one consumer id in one partition."""

    open: set[int] = field(default_factory=set)
    """Offsets that were sent, without an answer so far."""
    stored: list[tuple[float, int]] = field(default_factory=list)
    """Offsets that may be the latest stored ones, with the time of the answer."""
    replaced: list[tuple[float, int]] = field(default_factory=list)
    """Offsets that are not stored any more, with the time since when that is certain."""
    first_at: float = inf
    """When it was first certain that one is stored."""

    def store(self, sent_at: float, t: float, offset: int) -> None:
        """Note an answer."""
        self.open.discard(offset)
        self.first_at = min(self.first_at, t)
        self.replaced += [(t, old) for answered, old in self.stored if answered < sent_at]
        self.stored = [each for each in self.stored if each[0] >= sent_at]
        self.stored.append((t, offset))

    def possible(self, since: float) -> set[int]:
        """Return the offsets that may have been stored at some time since ``since``."""
        found = {*self.open, *(offset for _, offset in self.stored)}
        for t, offset in reversed(self.replaced):
            if t < since:
                break
            found.add(offset)
        return found


def resumptions(evidence: Evidence) -> dict[int, tuple[set[int], bool]]:
    """Return, by number of the consumption, the offsets behind which it may begin, and whether none
    may have been stored; for ``Evidence.once``. Only for those with a consumer id, as of the first
    record that they were delivered; without one, as of their end."""
    consumptions = evidence.history.consumptions
    places: defaultdict[tuple[str | None, int], _Place] = defaultdict(_Place)
    sent: dict[tuple[int, int], float] = {}
    found: dict[int, tuple[set[int], bool]] = {}

    def resolve(each: Consumption) -> None:
        if each.n not in found:
            place = places[each.consumer_id, each.partition]
            found[each.n] = place.possible(each.started), place.first_at > each.started

    with_id = [each for each in consumptions if each.consumer_id is not None]
    ending = deque(sorted(with_id, key=lambda each: each.until))
    for event in evidence.history.events:
        if not isinstance(event, OffsetSent | OffsetStored | RecordsConsumed):
            continue
        while ending and ending[0].until < event.t:
            resolve(ending.popleft())
        each = consumptions[event.consumption]
        if each.consumer_id is None:
            continue
        place = places[each.consumer_id, each.partition]
        match event:
            case OffsetSent():
                sent.setdefault((each.n, event.offset), event.t)
                place.open.add(event.offset)
            case OffsetStored():
                place.store(sent[each.n, event.offset], event.t, event.offset)
            case RecordsConsumed():
                resolve(each)
    for each in ending:
        resolve(each)
    return found
