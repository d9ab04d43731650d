"""Connections on which nothing happened that gives a client a reason to send a record again.

Of an application only the input and the exit status are known, not how long it waits for an answer.
On an undisturbed connection that does not matter: a request is applied as soon as it is read, and
answered at once.
"""

from chaos.oracle.evidence import Evidence
from simulator.events import ClosedBy, ConnectionClosed, ConnectionOpened, FaultHit


def may_hold(evidence: Evidence) -> bool:
    """Return whether an SPU may hold requests until their commit, for longer than a client waits
    for an answer."""
    cluster = evidence.scenario.cluster
    return bool(cluster.commit_delay) or cluster.replication is not None


def undisturbed(evidence: Evidence) -> frozenset[int]:
    """Return the connections that no fault struck and no server ended; for ``Evidence.once``.

    There is none where requests may be held.
    """
    if may_hold(evidence):
        return frozenset()
    struck = {hit.connection for hit in evidence.events_of(FaultHit) if not hit.shadowed}
    ended = {
        closed.connection
        for closed in evidence.events_of(ConnectionClosed)
        if closed.by is not ClosedBy.CLIENT
    }
    opened = {each.connection for each in evidence.events_of(ConnectionOpened)}
    return frozenset(opened - struck - ended)
