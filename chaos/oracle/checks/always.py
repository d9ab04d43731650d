"""What a scenario demands under ``always`` holds.

The demands are those of an application: so many records lost or duplicated, so many attempts and
connections, calls of so many seconds (``docs/scenarios.md``). A figure outside its interval is a
broken promise of this scenario, whatever the delivery semantic permits. A figure that the run does
not have, such as the time of a flush without a flush, is not judged. Times are judged in the
virtual world, and in another one if the scenario names that one alone.
"""

from collections.abc import Sequence

from chaos.history import Need
from chaos.oracle.evidence import Evidence
from chaos.oracle.expectations import assessed, missed, records_of
from chaos.oracle.finding import JUDGED, Finding, Violations, excused

NAME = "always"
SEMANTICS = ("at-least-once", "at-most-once")
NEEDS: Sequence[Need] = ()
EXCUSES = ("no-such-figure",)
CAUSES = ()
"""Each figure has needs of its own."""


def check(evidence: Evidence) -> Finding:
    """Check every expectation of the scenario."""
    found = Violations(NAME)
    expectations = evidence.once(assessed)
    for each in expectations:
        if each.kind == "always":
            found.take(excused("no-such-figure") if each.figure is None else JUDGED)
    for each in missed("always", expectations):
        found.add(f"{each.name}, but {each.found}", records_of(evidence, each), times=1)
    return found.finding()
