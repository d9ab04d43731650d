"""What is installed, and what a package index shows."""

import re
import tomllib
from importlib import import_module
from importlib.metadata import distributions
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
CONFIG = tomllib.loads((PROJECT / "pyproject.toml").read_text())
PACKAGES = CONFIG["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

NOT_PINNED = {"pip", "setuptools", "wheel", "spu-chaos"}
"""What ``python -m venv`` brings, and the project itself."""


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_installed_distribution_is_pinned_to_its_version() -> None:
    installed = {normalized(each.metadata["Name"]): each.version for each in distributions()}
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    pinned = {normalized(name): version for name, version in pins.items()}
    installed = {k: v for k, v in installed.items() if k not in NOT_PINNED}
    assert installed == {k: v for k, v in pinned.items() if k in installed}


@pytest.mark.parametrize(
    "package", CONFIG["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
)
def test_every_package_says_that_it_is_typed(package: str) -> None:
    assert (PROJECT / package / "py.typed").read_bytes() == b""


def test_links_of_the_readme_lead_to_files_of_the_repository_from_anywhere() -> None:
    rules = CONFIG["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]
    repository = CONFIG["project"]["urls"]["Homepage"] + "/blob/main/"
    raw = repository.replace("github.com", "raw.githubusercontent.com").replace("/blob", "")
    shown = (PROJECT / "README.md").read_text()
    for rule in rules:
        shown = re.sub(rule["pattern"], rule["replacement"], shown)
    targets = re.findall(r"\]\(([^)]+)\)", shown)
    assert targets
    for target in targets:
        assert target.startswith("https://")
        for place in (repository, raw):
            if target.startswith(place):
                assert (PROJECT / target.removeprefix(place).split("#")[0]).exists(), target
    assert all(picture.startswith(raw) for picture in re.findall(r"!\[.*?\]\(([^)]+)\)", shown))


def test_each_console_script_is_a_function() -> None:
    for target in CONFIG["project"]["scripts"].values():
        module, _, function = target.partition(":")
        assert callable(getattr(import_module(module), function))
