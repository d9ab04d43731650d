"""One name means one thing in the whole repository."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("wire", "simulator", "producer", "chaos")

WIRE_AND_STATE = {"Partition", "Spu", "Topic"}
"""The object on the wire, and the state of the same thing in the simulator's cluster."""

INTERFACES = {
    "handle": "simulator.handlers",  # what each registered module of this room has
    "check": "chaos.oracle.checks",
    "main": "",  # how each program begins
    "run": "",
}


def defined(path: Path) -> set[str]:
    """The classes, type aliases and public functions that a module defines."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if not node.name.startswith("_"):
                found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = (target.id for target in targets if isinstance(target, ast.Name))
            found.update(name for name in names if name[0].isupper() and not name.isupper())
    return found


def places() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            for name in defined(path):
                if not (name in INTERFACES and module.startswith(INTERFACES[name])):
                    yield name, module


def test_no_name_is_defined_twice() -> None:
    modules: dict[str, list[str]] = defaultdict(list)
    for name, module in places():
        modules[name].append(module)
    twice = {name: found for name, found in modules.items() if len(found) > 1}
    assert set(twice) == WIRE_AND_STATE, twice
