"""The scenario files of the project. A process loads each once, since several modules need all."""

from functools import cache
from pathlib import Path

from chaos.spec.loader import load_scenario_file
from chaos.spec.property import Property

DIRECTORY = Path(__file__).parents[1] / "scenarios"


@cache
def loaded(path: Path) -> Property:
    """Return what a file holds."""
    return load_scenario_file(path)
