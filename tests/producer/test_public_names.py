"""What is synchronous knows no trio; ``tests/test_commands.py`` tests the root of the package."""

import subprocess
import sys

import pytest

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
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
