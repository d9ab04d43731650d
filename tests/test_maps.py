"""The package docstring of a folder is a map of the folder: one line for each of its modules."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("wire", "simulator", "producer", "chaos")

REGISTERED = {
    "wire/api",
    "simulator/faults/kinds",
    "simulator/handlers",
    "chaos/spec/steps",
    "chaos/oracle/checks",
}
"""Folders with one file for each registered thing: their lists are made of the registry."""

MODULES_MAX = 16
"""With more in one folder, a reader finds nothing at a glance."""


def folders() -> list[Path]:
    found = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    return sorted(found)


def name(folder: Path) -> str:
    return folder.relative_to(ROOT).as_posix()


def members(folder: Path) -> list[str]:
    modules = [path.stem for path in folder.glob("*.py") if not path.stem.startswith("__")]
    rooms = [path.parent.name for path in folder.glob("*/__init__.py")]
    return sorted(modules + rooms)


@pytest.mark.parametrize("folder", folders(), ids=name)
def test_a_folder_has_a_map(folder: Path) -> None:
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert text, f"{name(folder)}/__init__.py has no docstring"
    if name(folder) not in REGISTERED:
        missing = [member for member in members(folder) if f"``{member}``" not in text]
        assert not missing, f"{name(folder)}/__init__.py has no line about {', '.join(missing)}"


@pytest.mark.parametrize("folder", folders(), ids=name)
def test_a_folder_is_small_enough_to_look_through(folder: Path) -> None:
    if name(folder) not in REGISTERED:
        assert len(members(folder)) <= MODULES_MAX


MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70


def modules() -> list[Path]:
    tops = (*PACKAGES, "tests", "benchmarks", "examples")
    return sorted(path for top in tops for path in (ROOT / top).rglob("*.py"))


def test_no_module_is_too_long_to_read() -> None:
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in modules()}
    assert {path: lines for path, lines in lengths.items() if lines > MODULE_LINES_MAX} == {}


def test_no_function_is_too_long_to_read() -> None:
    found = {}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    found[f"{name(path)}:{node.name}"] = lines
    assert found == {}
