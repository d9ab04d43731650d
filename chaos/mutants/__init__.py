"""The zoo: small, realistic defects that the judge must catch.

A judge that accuses nobody is of no use, and nobody would notice. So here are the mistakes that
programmers make in producers, in servers, and in the books that are kept of both, each with what it
takes to show. ``python -m chaos zoo`` explores open properties with each of them in place
(``chaos/mutants/hunt.py``) and must catch every one. Without faults all of them go unnoticed, as
such mistakes do.
"""

from chaos.mutants import retrying, sending, serving, telling, witnessing
from chaos.mutants.mutant import Mutant

__all__ = ["GROUPS", "MUTANTS", "Mutant"]

GROUPS = (retrying, telling, sending, serving, witnessing)
"""The modules that mutants live in, in the order of the documentation."""

MUTANTS = {
    mutant.name(): mutant
    for group in GROUPS
    for mutant in Mutant.__subclasses__()
    if mutant.__module__ == group.__name__
}
"""All of them, by their names."""
