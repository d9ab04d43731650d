"""The zoo: small, realistic defects that the judge must catch.

A judge that never reports a broken promise is useless, and its silence looks like success. The zoo
holds the mistakes that programmers make in producers, in servers and in the recording of both.
``python -m chaos zoo`` explores properties with one defect at a time in place, and the judge must
catch every one. Without faults none of the defects breaks a promise.

``mutant``: the base class of a defect, which patches the source lines of one function.
``retrying``: defects in the number, the delay and the conditions of retries.
``outcomes``: defects in the outcomes that the producer reports.
``answering``: defects in the answers that the producer believes.
``following``: defects in how the producer follows the cluster.
``sending``: defects in what the producer sends, to which SPU, and when it considers it done.
``configuring``: defects of the producer in how it follows its options.
``connecting``: defects in how the producer connects.
``calling``: defects in calls that overlap, are repeated or cancelled, and in closing.
``consuming``: defects in what consumers are delivered.
``serving``: defects of the simulator.
``replicating``: defects that a leader that fails, or a follower that is away, brings to light.
``recording``: defects in the events, outcomes and logs that the checks read.
``rebatching``: operations on sealed batches for defects that need more than a few lines.
``hunt``: the search for one mutant.
``page``: the lists of mutants in the documentation.
"""

from chaos.mutants import (
    answering,
    calling,
    configuring,
    connecting,
    consuming,
    following,
    outcomes,
    recording,
    replicating,
    retrying,
    sending,
    serving,
)
from chaos.mutants.mutant import Mutant

__all__ = ["GROUPS", "MUTANTS", "Mutant"]

GROUPS = (
    retrying,
    outcomes,
    answering,
    sending,
    configuring,
    connecting,
    following,
    calling,
    consuming,
    serving,
    replicating,
    recording,
)
"""The modules that define mutants, in the order of the documentation."""

MUTANTS = {
    mutant.name(): mutant
    for group in GROUPS
    for mutant in Mutant.__subclasses__()
    if mutant.__module__ == group.__name__
}
"""All mutants by name."""
