"""Scenario files: from YAML text to a property, or to all of its mistakes with their places.

The text becomes plain data, generators such as ``1..200`` are parsed, and variants without
generators are validated (``variants.py``). All mistakes are found at once; each is reported on one
line with its place.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from chaos.spec.generators import AnyOf, Faults, Range, SomeOf, read_range
from chaos.spec.property import Property
from chaos.spec.variants import Variants
from simulator.documents.diagnostic import Document, PathInFile
from simulator.documents.reader import YamlError, parse, read_text
from simulator.documents.strict_model import shown

if TYPE_CHECKING:
    # Hypothesis is imported by scenarios() only, since the import is slow.
    from hypothesis.strategies import SearchStrategy

    from chaos.spec.scenario import Scenario

VALUES_MAX = 20_000
"""The most values and keys of a file. A thousand steps have about five thousand; each takes
microseconds to validate, and an invalid one a hundred times as long."""

FIXED = ("name", "description", "worlds", "slow", "examples", "always", "sometimes")
"""The keys that have the same value in all examples of a property."""

_Place: TypeAlias = Literal["fixed", "interval", "faults", "fault", "elsewhere"]
_ITEMS: Mapping[_Place, _Place] = {
    "fixed": "fixed",
    "interval": "interval",
    "faults": "fault",
    "fault": "elsewhere",
    "elsewhere": "elsewhere",
}
"""The place of the items of a list, by the place of the list."""


class ScenarioFileError(Exception):
    """A scenario file has mistakes. The text has one line for each mistake, with its place."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def load_scenario_file(path: str | Path) -> Property:
    """Load the scenario or property of a file.

    Raises:
        ScenarioFileError: the file cannot be read, or has mistakes.
    """
    try:
        text = read_text(path)
    except YamlError as error:
        raise ScenarioFileError([error.diagnostic.located(str(path))]) from error
    return parse_scenario(text, str(path))


def scenarios(path: str | Path) -> "SearchStrategy[Scenario]":
    """Return a Hypothesis strategy for the scenarios of a file, for ``@given``.

    Hypothesis draws, shrinks and remembers as for any other strategy. The failing scenario is
    printed as YAML, ready to be saved as a file. The file is read once, when the strategy is made;
    relative paths are relative to the working directory.

    Raises:
        ScenarioFileError: the file cannot be read, or has mistakes.
    """
    return load_scenario_file(path).strategy().map(lambda example: example.scenario)


def parse_scenario(text: str, filename: str) -> Property:
    """Parse the scenario or property of a text.

    Args:
        text: YAML.
        filename: the name of the file in messages.

    Raises:
        ScenarioFileError: the text has mistakes.
    """
    try:
        document = parse(text)
    except YamlError as error:
        raise ScenarioFileError([error.diagnostic.located(filename)]) from error
    if len(document.places) > VALUES_MAX:
        words = f"{len(document.places):,} values; a scenario has {VALUES_MAX:,} at most"
        raise ScenarioFileError([f"{filename}: {words}"])
    reader = _ScenarioReader(document)
    if isinstance(document.data, dict):
        data = reader.read(document.data, ())
        names = Variants(document, data, reader.generators).validate()
        if not document.diagnostics:
            return Property(filename, text, data, tuple(reader.generators), reader.concrete, names)
    elif not document.diagnostics:
        words = "is no scenario; write name:, workload: and what else it needs"
        document.add((), f"{shown(document.data)} {words}")
    raise ScenarioFileError(document.lines(filename))


# --- finding generators


class _ScenarioReader:
    """Replaces generators in their written form by objects."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._above: dict[PathInFile, int] = {}
        self.generators: list[Range | AnyOf] = []
        """All generators that choose one of several values, outer ones before inner ones."""
        self.concrete = True
        """Whether there is no generator at all."""

    def read(self, value: Any, path: PathInFile, place: _Place = "elsewhere") -> Any:
        """Return the same data with generators; mistakes in generators are noted."""
        match value:
            case str():
                return self._text(value, path, place)
            case {"any": options} if len(value) == 1:
                return self._any(options, path, place)
            case {"some": members} if len(value) == 1:
                return self._some(members, path, place)
            case dict():
                return {
                    key: self.read(item, (*path, key), _place_below(path, key, place))
                    for key, item in value.items()
                }
            case list():
                below = _ITEMS[place]
                items = [self.read(item, (*path, n), below) for n, item in enumerate(value)]
                if place == "faults" and any(map(_splices, items)):
                    return Faults([((*path, n), item) for n, item in enumerate(items)])
                return items
        return value

    def _text(self, value: str, path: PathInFile, place: _Place) -> Any:
        if place == "interval":
            return value  # a..b is an expectation here
        try:
            found = read_range(value, path, dict(self._above))
        except ValueError as error:
            return self._refuse(path, str(error))
        if found is None:
            return value
        if place == "fixed":
            return self._refuse_fixed(path, value)
        self.concrete = False
        self.generators.append(found)
        return found

    def _any(self, options: Any, path: PathInFile, place: _Place) -> Any:
        if place in ("fixed", "interval"):
            return self._refuse_fixed(path, "any:")
        if not path:
            return self._refuse(path, "a scenario as a whole is not drawn; write any: below a key")
        if not isinstance(options, list) or not options:
            text = "any: takes a list of values, of which one is drawn, for example any: [1, 5]"
            return self._refuse(path, text)
        self.concrete = False
        node = AnyOf(path, [], dict(self._above))
        self.generators.append(node)
        for n, option in enumerate(options):
            self._above[path] = n
            node.options.append(self.read(option, node.option_path(n), place))
        del self._above[path]
        return node

    def _some(self, members: Any, path: PathInFile, place: _Place) -> Any:
        if place in ("fixed", "interval"):
            return self._refuse_fixed(path, "some:")
        if place == "elsewhere":
            text = "some: leaves out faults and stands only in faults:; write any: or one value"
            return self._refuse(path, text)
        if not isinstance(members, list) or not members:
            text = "some: takes a list of faults, of which each is there or not"
            return self._refuse(path, text)
        self.concrete = False
        read = [self.read(item, (*path, "some", n), "fault") for n, item in enumerate(members)]
        node = SomeOf(path, read)
        return Faults([(path, node)]) if place == "faults" else node

    def _refuse_fixed(self, path: PathInFile, written: str) -> Any:
        text = f"no generator ({written}) can stand here: {', '.join(FIXED)} are the same for all"
        return self._refuse(path, f"{text} examples")

    def _refuse(self, path: PathInFile, text: str) -> Any:
        """Note a mistake; return a value that causes no further mistake."""
        self._document.add(path, text)
        self._document.opaque.add(path)
        return {}


def _place_below(path: PathInFile, key: str, place: _Place) -> _Place:
    if not path and key in ("always", "sometimes"):
        return "interval"
    if not path and key in FIXED:
        return "fixed"
    if place in ("fixed", "interval"):
        return place
    return "faults" if not path and key == "faults" else "elsewhere"


def _splices(item: Any) -> bool:
    """Return whether an item of a list of faults may stand for no fault or for several."""
    match item:
        case SomeOf():
            return True
        case AnyOf():
            return any(map(_splices, item.options))
    return False
