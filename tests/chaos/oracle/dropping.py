"""Removes one rule from the judge, as a mutant removes a line from the producer."""

from typing import Any

from chaos.mutants.mutant import Mutant


def dropped(where: str, before: str, after: str = "pass") -> type[Mutant]:
    """Return a patch of the judge that drops a rule.

    Args:
        where: the function, as in ``Mutant``.
        before: the lines that let records off.
        after: the lines that are left of them.
    """
    fields: dict[str, Any] = {"where": f"chaos.oracle.{where}", "before": before, "after": after}
    return type("WithoutARule", (Mutant,), {"__doc__": "A rule is missing.", **fields})
