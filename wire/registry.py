"""A registry of members by name, each registered by the module that defines it.

The naive approach lists fault kinds, APIs or checks where they are used: in a union, a table, a
help text. A new member then needs an edit in each of those places, and an omission shows only when
a run fails. Here every such list is read from the registry when it is needed, so a new member needs
only its own module.
"""

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence, ValuesView
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Members by name, in a fixed order.

    Args:
        noun: the noun for a member in messages, for example ``fault kind``.
        order: the names that come first in every list, in this order. Other members follow, sorted
            by name, so the order never depends on imports.
    """

    def __init__(self, noun: str, order: Sequence[str] = ()) -> None:
        self.noun = noun
        self._rank = {name: n for n, name in enumerate(order)}
        self._members: dict[str, T] = {}

    def add(self, name: str, member: T) -> None:
        """Register a member.

        Raises:
            ValueError: another member has the name.
        """
        if name in self._members:
            raise ValueError(f"the {self.noun} {name!r} is registered already")
        members = {**self._members, name: member}
        self._members = dict(sorted(members.items(), key=lambda item: self._key(item[0])))

    def remove(self, name: str) -> None:
        """Remove a member; tests use this for the members that they add."""
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

    def values(self) -> ValuesView[T]:
        """Return the members in their order; faster than the view that ``Mapping`` makes."""
        return self._members.values()


def import_all(package: ModuleType) -> list[ModuleType]:
    """Import every module of a package, so that their members are registered."""
    return [
        importlib.import_module(f"{package.__name__}.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
    ]
