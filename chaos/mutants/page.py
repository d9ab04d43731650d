"""The lists of mutants and of checks in the documentation: ``python -m chaos.mutants.page FILE``.

A list is generated from docstrings, between the comments ``<!-- mutants: retrying -->``, with the
name of a module, and ``<!-- end -->``. ``make docs`` generates the lists, and a test checks that
they are up to date.
"""

import inspect
import re
import sys
from pathlib import Path

from chaos.mutants import GROUPS, MUTANTS, Mutant
from chaos.mutants.mutant import BOTH
from chaos.oracle.checks import CHECKS, Check

_LIST = re.compile(r"(<!-- mutants: (?P<group>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_CHECKS = re.compile(r"(<!-- checks -->\n).*?(<!-- end -->)", re.DOTALL)

_TITLES = (
    "mutant",
    "what is wrong, and why a programmer would write it",
    "in",
    "under",
    "caught by",
    "takes",
    "within",
)


def lists_rewritten(page: str) -> str:
    """Return a page with its lists generated again."""

    def table(found: re.Match[str]) -> str:
        return "\n".join([found[1].rstrip(), *rows(found["group"]), found[3]])

    def checks(found: re.Match[str]) -> str:
        return "\n".join([found[1].rstrip(), *rows_of_checks(), found[2]])

    return _CHECKS.sub(checks, _LIST.sub(table, page))


def rows_of_checks() -> list[str]:
    """Return the table of the checks, as lines: what each promises, looks at, and may not see."""
    titles = ("check", "promise", "looks at", "excused by", "blind for", "its mutants")
    head = [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    return head + [_row_of(check) for check in CHECKS.values()]


def _row_of(check: Check) -> str:
    promise = " ".join(check.text.split("\n\n")[0].split()).replace("``", "`").rstrip(".")
    mutants = (name for name, mutant in MUTANTS.items() if check.name in mutant.caught_by)
    cells = (check.needs, check.excuses, check.causes)
    lists = [", ".join(map(str, cell)) for cell in cells]
    return f"| `{check.name}` | {promise} | {' | '.join(lists)} | {', '.join(mutants)} |"


def rows(group: str) -> list[str]:
    """Return the table of the mutants in one module, as lines."""
    (module,) = (each for each in GROUPS if each.__name__.endswith(f".{group}"))
    head = [f"| {' | '.join(_TITLES)} |", "|---" * len(_TITLES) + "|"]
    return head + [
        _row(mutant) for mutant in MUTANTS.values() if mutant.__module__ == module.__name__
    ]


def _row(mutant: type[Mutant]) -> str:
    text = " ".join((inspect.getdoc(mutant) or "").split()).replace("``", "`")
    under = "both" if set(mutant.semantics) == set(BOTH) else mutant.semantics[0]
    place = mutant.where.replace(":", " ").split()
    caught_by = ", ".join(f"`{check}`" for check in mutant.caught_by)
    where = f"`{place[1]}` of `{place[0]}`"
    takes = f"{mutant.records}, {mutant.faults} | {mutant.examples:,}"
    return f"| `{mutant.name()}` | {text} | {where} | {under} | {caught_by} | {takes} |"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(lists_rewritten(page.read_text(encoding="utf-8")), encoding="utf-8")
