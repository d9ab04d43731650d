"""What a mutant is: one small defect, as the lines of a function that it replaces.

The naive way derives a class for each defect and puts it in the place of the real one. Then every
name that was imported somewhere else still means the real one, half of a function has to be copied
to change a line in its middle, and nobody sees which line it was. So a mutant names a function,
some of its lines and what stands there instead. Its code is compiled anew from the source with
these lines and takes the place of the code of the function itself: whoever holds the function, by
whatever name, runs the defect, and a patch whose lines are not there any more fails at once. A
mutant is plain data with a name, so that a worker process can be told which one to live with.
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

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Mutant:
    """A defect; its subclasses are the zoo. The docstring of each says what is wrong and why.

    The first line of the docstring is what is wrong, the rest why a programmer would write it.
    """

    where: ClassVar[str]
    """``module:function``, or ``module:Class.method``."""
    before: ClassVar[str]
    """Whole lines of it, which stand there once."""
    after: ClassVar[str]
    """What stands there instead."""
    semantics: ClassVar[Sequence[str]] = BOTH
    """The delivery semantics under which it shows."""
    caught_by: ClassVar[Sequence[str]]
    """The checks that may catch it."""
    records: ClassVar[int] = 1
    faults: ClassVar[int] = 1
    """How many records, and how many faults and moves in the cluster, it takes at least to show."""
    examples: ClassVar[int] = 500
    """How many examples the hunt for it may take: at least four times the most that it took over
    twelve seeds, so that neither another seed nor a change elsewhere lets it go."""

    @classmethod
    def name(cls) -> str:
        """What it is called on command lines: the name of the class in small letters."""
        return _WORD.sub("-", cls.__name__).lower()

    @classmethod
    def text(cls) -> str:
        """Its docstring on one line."""
        return " ".join((inspect.getdoc(cls) or "").split())

    @classmethod
    def lines(cls) -> list[tuple[str, int]]:
        """The lines that it replaces: file and number."""
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
        """Live with the defect for as long as the block lasts.

        Raises:
            LookupError: the lines that it replaces do not stand in the function, or more than once.
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
    """The code of a function with the lines of a mutant."""
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
    assert found.co_freevars == sound.co_freevars, "a patch brings no closures of its own"
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
    """Where the lines begin that a mutant replaces, and how far they are indented."""
    wanted = [line.strip() for line in _lines_of(mutant.before)]
    places = [
        n
        for n in range(len(source))
        if [line.strip() for line in source[n : n + len(wanted)]] == wanted
    ]
    if len(places) != 1:
        times = "not at all" if not places else f"{len(places)} times"
        raise LookupError(
            f"mutant {mutant.name()}: its lines stand {times} in {mutant.where}; "
            f"write them as they are there: {wanted[0]}"
        )
    first = source[places[0]]
    return places[0], first[: len(first) - len(first.lstrip())]


def _lines_of(text: str) -> list[str]:
    return textwrap.dedent(text).strip("\n").split("\n")


def _forget_results(function: FunctionType) -> None:
    """Empty the caches of a module: they hold what was made with other code."""
    for thing in vars(sys.modules[function.__module__]).values():
        if callable(forget := getattr(thing, "cache_clear", None)):
            forget()
