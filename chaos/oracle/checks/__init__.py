"""The checks: one module for each promise; pure functions that give their evidence in a finding.

A check looks at what the simulator saw and stored and at the outcomes that the client reported,
never at the client's internals. It computes delays and bounds itself (``chaos/spec/bounds.py``).
The docstring of its module is its definition, which ``python -m chaos list`` prints.

A check is sound: where the evidence permits that a promise was kept, it reports no violation.
``visibility.py`` says where attempts may be invisible, ``timing.py`` how the times of both sides
relate, and ``attempts.py`` which records share their requests and outcomes.

A module of this package is a check: it has a ``NAME``, the ``SEMANTICS`` that it applies to, what
it ``NEEDS`` of a history, the rules by which it ``EXCUSES`` and the ``CAUSES`` that blind it, and a
function ``check``. Importing the package registers all of them in ``CHECKS``.
"""

import inspect
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from types import ModuleType

from chaos.history import Need
from chaos.oracle.evidence import Evidence
from chaos.oracle.finding import VIOLATIONS_MAX, Finding, Violation
from wire.registry import Registry, import_all

__all__ = ["CHECKS", "VIOLATIONS_MAX", "Check", "Finding", "Violation"]


@dataclass(frozen=True, slots=True)
class Check:
    """One promise, and how it is checked."""

    name: str
    text: str
    """Its definition; help text."""
    semantics: Collection[str]
    """The delivery semantics that it applies to."""
    needs: Collection[Need]
    """What it needs of a history; without one of them it is not applicable."""
    excuses: Collection[str]
    """The rules that may let off a record or a call."""
    causes: Collection[str]
    """The causes that may make it blind to one."""
    run: Callable[[Evidence], Finding]
    """Checks one run."""


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
        "told-once",
        "alive-after-heal",
        "recovers",
        "connections",
        "read-what-is-stored",
        "as-configured",
        "speaks",
        "always",
    ),
)
"""All checks, by name."""


def register_check(module: ModuleType) -> None:
    """Register a module as a check.

    Raises:
        ValueError: another check has the name.
    """
    text = inspect.getdoc(module) or ""
    check = Check(
        module.NAME,
        text,
        module.SEMANTICS,
        module.NEEDS,
        tuple(dict.fromkeys(module.EXCUSES)),
        tuple(dict.fromkeys(module.CAUSES)),
        module.check,
    )
    CHECKS.add(check.name, check)


for _module in import_all(sys.modules[__name__]):
    register_check(_module)
