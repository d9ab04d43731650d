"""Every call ends as the client documents.

A call ends with success or with a documented error. A producer that raises any other exception, in
a call or outside one, breaks this promise. So does a program that gives an answer outside the
client protocol (``docs/client-protocol.md``), or ends by itself. A program that ends before its
first answer never started: the run has no verdict.

What is open at that moment the harness abandons; no other check holds its loss against the client.
"""

from chaos.history import Need
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import Finding, Violations

NAME = "speaks"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS = (Need.CALLS,)
EXCUSES = ()
CAUSES = ()


def check(evidence: Evidence) -> Finding:
    """Check every call."""
    found = Violations(NAME)
    found.judged = len(evidence.history.calls)
    if evidence.history.crash is not None:
        found.add(f"the client broke: {evidence.history.crash}")
    return found.finding()
