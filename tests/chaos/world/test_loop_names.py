"""The code uses the names of trio in such a way that the fast loop can stand in for them."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import trio

from chaos.world.loop import names

ROOT = Path(__file__).parents[3]

WITH_REAL_IO = {
    "chaos/cli/run.py": "cleans up a cluster",
    "chaos/drivers/application.py": "a program",
    "chaos/drivers/process.py": "a client in a process of its own",
    "chaos/world/world.py": "begins the run",
    "producer/cli.py": "a program",
    "producer/console.py": "a program",
    "producer/net/dialling.py": "TCP and TLS",
    "simulator/blocking.py": "the simulator in a thread",
    "simulator/control/program.py": "a program",
    "simulator/proxying/tls.py": "TLS",
    "simulator/proxying/upstream.py": "TCP",
    "simulator/serving/transport.py": "TCP",
    "simulator/tailing/command.py": "a program",
    "simulator/tailing/tail_connection.py": "a client of its own",
}
"""The modules that use more of trio, and never in virtual time."""

PROVIDED = {f"trio.{name}" for name in names.TRIO} | {
    f"trio.lowlevel.{name}" for name in names.LOWLEVEL
}
KEPT = {f"{module}.{name}" for module in ("trio", "trio.lowlevel") for name in names.KEPT} - {
    "trio.lowlevel"
}


@cache
def trees() -> dict[str, ast.Module]:
    """The modules that run on the fast loop, by path."""
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for package in ("wire", "simulator", "producer", "chaos")
        for path in sorted((ROOT / package).rglob("*.py"))
        if ROOT / "chaos/world/loop" not in path.parents
    }


def name_of(node: ast.AST) -> str:
    """The dotted name of an attribute; empty for anything else."""
    if isinstance(node, ast.Attribute):
        before = name_of(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def used(tree: ast.Module) -> set[str]:
    """The names of trio that a module uses, without the packages that they are in."""
    found = {name_of(node) for node in ast.walk(tree)}
    found = {name for name in found if name.startswith("trio.")}
    return {name for name in found if not any(other.startswith(f"{name}.") for other in found)}


def is_kept(name: str) -> bool:
    value = getattr(trio, name.split(".")[1])
    is_exception = isinstance(value, type) and issubclass(value, Exception)
    return is_exception or any(f"{name}.".startswith(f"{kept}.") for kept in KEPT)


def test_what_runs_in_virtual_time_uses_names_that_the_fast_loop_has() -> None:
    others = {
        path: found
        for path, tree in trees().items()
        if (found := {name for name in used(tree) - PROVIDED if not is_kept(name)})
    }
    assert others.keys() == WITH_REAL_IO.keys(), others


def evaluated_at_import(node: ast.AST) -> Iterator[str]:
    """Yield the names that are looked up when a module is imported, annotations apart."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        children = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        children += [] if isinstance(node, ast.Lambda) else node.decorator_list
    elif isinstance(node, ast.AnnAssign):
        children = [node.value] if node.value else []
    else:
        yield name_of(node)
        children = list(ast.iter_child_nodes(node))  # type: ignore[arg-type]
    for child in children:
        yield from evaluated_at_import(child)


def test_no_module_keeps_a_name_that_the_fast_loop_replaces() -> None:
    kept = {path: PROVIDED & set(evaluated_at_import(tree)) for path, tree in trees().items()}
    assert not {path: found for path, found in kept.items() if found}


def test_a_name_that_is_kept_is_seen() -> None:
    kept = ast.parse("class A:\n    x: trio.Lock = field(default_factory=trio.Event)\n")
    assert PROVIDED & set(evaluated_at_import(kept)) == {"trio.Event"}
    looked_up = ast.parse("async def f(n: trio.Nursery) -> None:\n    await trio.sleep(1)\n")
    assert not PROVIDED & set(evaluated_at_import(looked_up))


def test_no_module_imports_a_name_from_trio() -> None:
    found = [
        (path, node.module)
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "trio"
    ]
    assert found == [("chaos/world/world.py", "trio._core")]
