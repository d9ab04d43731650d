"""Whether the official client must be here: ``pyproject.toml`` says for which platforms it exists.

Skipping whenever the import fails would be simple, and would hide a broken installation for ever:
no test would drive a real client any more, unnoticed.
"""

import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from packaging.requirements import Requirement

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


class Absence(NamedTuple):
    """Why there is no client to test with, and what follows from that."""

    outcome: Literal["fail", "skip"]
    reason: str


def requirement() -> Requirement:
    """The client that the project's tests need, with the platforms for which it has a wheel."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    wanted = map(Requirement, project["optional-dependencies"]["dev"])
    return next(each for each in wanted if each.name == "fluvio")


def installed_version() -> str | None:
    """The version of the client that is installed, if any is."""
    try:
        return metadata.version("fluvio")
    except metadata.PackageNotFoundError:
        return None


def absence(
    wanted: Requirement, installed: str | None, platform: Mapping[str, str] | None = None
) -> Absence | None:
    """Why the tests of this folder cannot run, or None if they can.

    Args:
        wanted: the client and the platforms for which it exists.
        installed: the version that is installed, if any.
        platform: what markers are evaluated for; this platform where it says nothing.
    """
    if installed is not None:
        if wanted.specifier.contains(installed):
            return None
        return Absence("fail", f"fluvio {installed} is installed, the tests need {wanted}")
    if wanted.marker is None or wanted.marker.evaluate(dict(platform or {})):
        return Absence("fail", "the official client has a wheel for this platform: run make setup")
    return Absence("skip", "the official client has no wheel for this platform")
