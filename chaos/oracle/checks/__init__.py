"""The checks: one module for each promise, pure, with its evidence in its finding.

A check looks at what the simulator saw and stored and at what the client was told, never at what a
client says of itself. It computes delays and bounds by itself (``chaos/spec/bounds.py``). The
docstring of its module defines it; ``python -m chaos list`` prints that.

A check is sound: where the evidence allows that a promise was kept, it says nothing. What the
simulator's side could not see is in ``visibility.py``, how its times and the client's hang together
in ``timing.py``, which records share their story in ``attempts.py``.

A module of this package is a check: it has a ``NAME``, the ``SEMANTICS`` that it applies to, and a
function ``check``. Importing the package registers all of them in ``CHECKS``.
"""

import inspect
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import ModuleType

from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import VIOLATIONS_MAX, Finding, Violation
from wire.registry import Registry, import_all

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


CHECKS: Registry[Check] = Registry(
    "check",
    order=(
        "acked-is-stored",
        "no-loss",
        "unprovoked-loss",
        "no-duplicates",
        "unprovoked-duplicate",
        "offset-is-true",
        "no-phantom",
        "not-persisted-is-absent",
        "order",
        "retry-policy",
        "bounded",
        "flush-settles",
        "alive-after-heal",
    ),
)
"""All checks, by name."""


def register_check(module: ModuleType) -> None:
    """Make a module a check.

    Raises:
        ValueError: another check has its name.
    """
    text = inspect.getdoc(module) or ""
    CHECKS.add(module.NAME, Check(module.NAME, text, module.SEMANTICS, module.check))


for _module in import_all(sys.modules[__name__]):
    register_check(_module)
