"""A mutant: one small defect, as a patch of some lines of one function.

A subclass with the defect in place of the real class would not do: names that other modules
imported would still refer to the real class, half of a function would be copied to change one line,
and a reader could not see which line it is. A mutant instead names a function, some of its lines
and their replacement. The source with the replacement is compiled, and the result replaces the code
object of the function: every caller runs the defect, by whatever name it holds the function, and a
patch whose lines no longer exist fails at once. A mutant has a name, so that a worker process can
apply it by name.
"""

import inspect
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import CodeType, FunctionType
from typing import Any, ClassVar

AT_LEAST_ONCE = "at-least-once"
AT_MOST_ONCE = "at-most-once"
BOTH = (AT_LEAST_ONCE, AT_MOST_ONCE)

GENERAL = ("exchanges", "copies", "cluster", "busy", "always", "elsewhere")
"""The regimes in which most defects show."""

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Mutant:
    """A defect; the subclasses are the zoo.

    The first line of a subclass's docstring says what is wrong, the rest why a programmer would
    write it.
    """

    where: ClassVar[str]
    """``module:function``, or ``module:Class.method``."""
    before: ClassVar[str]
    """The whole lines to replace; they occur exactly once in the function."""
    after: ClassVar[str]
    """The lines that replace them."""
    semantics: ClassVar[Sequence[str]] = BOTH
    """The delivery semantics under which the defect shows."""
    regimes: ClassVar[Sequence[str]] = GENERAL
    """The properties of the zoo in which the defect shows: the last words of their file names.
    Others would only use up its budget."""
    caught_by: ClassVar[Sequence[str]]
    """The checks that may catch the mutant."""
    records: ClassVar[int] = 1
    faults: ClassVar[int] = 1
    """The smallest numbers of records, and of faults and cluster steps, with which it shows; with 0
    faults the defect breaks a promise in every run."""
    examples: ClassVar[int] = 500
    """The budget of examples for the hunt: at least four times the largest number that twelve seeds
    needed, so that neither another seed nor a change elsewhere makes the hunt fail."""

    @classmethod
    def name(cls) -> str:
        """Return its name on command lines: the class name in lower case, with hyphens."""
        return _WORD.sub("-", cls.__name__).lower()

    @classmethod
    def text(cls) -> str:
        """Return its docstring on one line."""
        return " ".join((inspect.getdoc(cls) or "").split())

    @classmethod
    def lines(cls) -> list[tuple[str, int]]:
        """Return the lines that it replaces, as file names and line numbers."""
        function = _function(cls.where)
        source, first = inspect.getsourcelines(function)
        at, _ = _place(cls, source)
        return [
            (function.__code__.co_filename, first + at + n)
            for n in range(len(_lines_of(cls.before)))
        ]

    @classmethod
    @contextmanager
    def applied(cls) -> Iterator[None]:
        """Apply the defect for the duration of the ``with`` block.

        Raises:
            LookupError: the lines to replace do not occur exactly once in the function.
        """
        function = _function(cls.where)
        sound = function.__code__
        function.__code__ = _patched(cls, function)
        _forget_results(function)
        try:
            yield
        finally:
            function.__code__ = sound
            _forget_results(function)


def _function(where: str) -> FunctionType:
    module, _, path = where.partition(":")
    found: Any = import_module(module)
    for part in path.split("."):
        found = inspect.getattr_static(found, part)
    if isinstance(found, property):
        found = found.fget
    found = inspect.unwrap(getattr(found, "__func__", found))
    assert isinstance(found, FunctionType)
    return found


def _patched(mutant: type[Mutant], function: FunctionType) -> CodeType:
    """Return the code of a function with the patch of a mutant."""
    source, first = inspect.getsourcelines(function)
    at, indent = _place(mutant, source)
    source[at : at + len(_lines_of(mutant.before))] = [
        f"{indent}{line}\n" for line in _lines_of(mutant.after)
    ]
    text = textwrap.dedent("".join(source))
    sound = function.__code__
    if sound.co_freevars:  # the cell of super()
        parameters = ", ".join(sound.co_freevars)
        text = f"def outer({parameters}):\n{textwrap.indent(text, ' ')}"
    found = _code_of(sound.co_name, compile(text, f"<{mutant.name()} in {mutant.where}>", "exec"))
    assert found is not None
    assert found.co_freevars == sound.co_freevars, "a patch must not add closures"
    return found.replace(co_firstlineno=first)


def _code_of(name: str, code: CodeType) -> CodeType | None:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_name == name:
                return constant
            if (inner := _code_of(name, constant)) is not None:
                return inner
    return None


def _place(mutant: type[Mutant], source: Sequence[str]) -> tuple[int, str]:
    """Return the index of the first line that a mutant replaces, and its indentation."""
    wanted = [line.strip() for line in _lines_of(mutant.before)]
    places = [
        n
        for n in range(len(source))
        if [line.strip() for line in source[n : n + len(wanted)]] == wanted
    ]
    if len(places) != 1:
        raise LookupError(
            f"mutant {mutant.name()}: its lines occur {len(places)} times in {mutant.where}, "
            f"not once; copy them from the function: {wanted[0]}"
        )
    first = source[places[0]]
    return places[0], first[: len(first) - len(first.lstrip())]


def _lines_of(text: str) -> list[str]:
    return textwrap.dedent(text).strip("\n").split("\n")


def _forget_results(function: FunctionType) -> None:
    """Empty the caches of the function's module: they hold results of the other code."""
    for thing in vars(sys.modules[function.__module__]).values():
        if callable(forget := getattr(thing, "cache_clear", None)):
            forget()
