"""The checks: one module for each promise, pure, with its evidence in its finding.

A check looks at what the simulator saw and stored and at what the client was told, never at what a
client says of itself. It computes delays and bounds by itself (``chaos/spec/bounds.py``). The
docstring
of its module defines it; ``python -m chaos list`` prints that.

A check is sound: where the evidence allows that a promise was kept, it says nothing. What the
simulator's side could not see is in ``sight.py``, how its times and the client's hang together in
``timing.py``, which records share their story in ``lots.py``.
"""

import inspect
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import ModuleType

from chaos.oracle.checks import (
    acked_is_stored,
    alive_after_heal,
    bounded,
    flush_settles,
    no_duplicates,
    no_loss,
    no_phantom,
    not_persisted_is_absent,
    offset_is_true,
    order,
    retry_policy,
    unprovoked_duplicate,
    unprovoked_loss,
)
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import VIOLATIONS_MAX, Finding, Violation

__all__ = ["CHECKS", "VIOLATIONS_MAX", "Check", "Finding", "Violation"]


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, and how it is checked."""

    name: str
    text: str
    """What it is, precisely, for a person."""
    semantics: Collection[str]
    """The delivery semantics that it applies to."""
    run: Callable[[Evidence], Finding]
    """Looks at a run."""


def _check(module: ModuleType) -> Check:
    return Check(module.NAME, inspect.getdoc(module) or "", module.SEMANTICS, module.check)


CHECKS = tuple(
    map(
        _check,
        (
            acked_is_stored,
            no_loss,
            unprovoked_loss,
            no_duplicates,
            unprovoked_duplicate,
            offset_is_true,
            no_phantom,
            not_persisted_is_absent,
            order,
            retry_policy,
            bounded,
            flush_settles,
            alive_after_heal,
        ),
    )
)
"""All checks, in the order of the documentation."""
