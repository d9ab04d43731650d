"""A registry: the things of one sort, by name, each registered by the module that defines it.

The naive way lists fault kinds, APIs or checks where they are used: in a union, in a table, in a
help text. One more of them then means an edit in each of those places, and the place that was
forgotten shows only when a run fails. Here every such list is read from the registry, at the time
when it is needed, and a new module is all that adds a thing.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Members by name, in a fixed order.

    Args:
        noun: what a member is, for messages: ``fault kind``.
        order: the names that come first in every list, in this order. Members that it does not
            name come after them, sorted by name, so that the order never depends on imports.
    """

    def __init__(self, noun: str, order: Sequence[str] = ()) -> None:
        self.noun = noun
        self._rank = {name: n for n, name in enumerate(order)}
        self._members: dict[str, T] = {}

    def add(self, name: str, member: T) -> None:
        """Register a member.

        Raises:
            ValueError: the name is that of another member.
        """
        if name in self._members:
            raise ValueError(f"there is a {self.noun} {name!r} already")
        members = {**self._members, name: member}
        self._members = dict(sorted(members.items(), key=lambda item: self._key(item[0])))

    def remove(self, name: str) -> None:
        """Take a member out again, as a test does with one of its own."""
        del self._members[name]

    def _key(self, name: str) -> tuple[int, str]:
        return self._rank.get(name, len(self._rank)), name

    def __getitem__(self, name: str) -> T:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, name: object) -> bool:
        return name in self._members


def import_all(package: ModuleType) -> list[ModuleType]:
    """Import every module of a package, so that what they define is registered."""
    return [
        importlib.import_module(f"{package.__name__}.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
    ]
