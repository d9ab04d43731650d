"""The root of the package: cheap to import, and nothing is missing."""

import subprocess
import sys
from importlib import import_module

import pytest

import producer

DELIVERY = ("accumulator", "batch", "delivery", "partitioner", "semantics")


@pytest.mark.parametrize(
    "statement",
    [
        "import producer",
        "from producer import Persisted",
        *(f"import producer.delivery.{name}" for name in DELIVERY),
    ],
)
def test_what_is_synchronous_is_imported_without_trio(statement: str) -> None:
    code = f"{statement}; import sys; print(sorted({{'trio', 'ssl'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_public_name_is_loaded_from_the_module_that_defines_it() -> None:
    assert sorted(producer._HOMES) == producer.__all__
    assert set(producer.__all__) <= set(dir(producer))
    for name, home in producer._HOMES.items():
        module, _, original = home.partition(":")
        assert getattr(producer, name) is getattr(import_module(module), original or name)
        kind = getattr(producer, name)
        if isinstance(kind, type):
            assert kind.__module__ == module


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Produser'"):
        producer.Produser  # type: ignore[attr-defined]  # noqa: B018
