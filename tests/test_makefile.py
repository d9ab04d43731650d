"""``make setup``, with stand-ins for Python: it makes an environment, keeps it, and renews it.

``make official-tests`` names what it needs before it makes one.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]

WORKS = "#!/bin/sh\nexit 0\n"
BROKEN = "#!/bin/sh\nexit 1\n"  # what an older Python does too, when it is asked for its version
MAKES_ENVIRONMENTS = f"""#!/bin/sh
[ "$1" = -m ] || exit 0
echo "$@" >> calls
mkdir -p .venv/bin
printf '{WORKS.encode("unicode_escape").decode()}' | tee .venv/bin/pip > .venv/bin/python
chmod +x .venv/bin/*
"""


def write(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(PROJECT / name, tmp_path)
    write(tmp_path / "new-python", MAKES_ENVIRONMENTS)
    write(tmp_path / "old-python", BROKEN)
    return tmp_path


def setup(checkout: Path, python: str) -> subprocess.CompletedProcess[str]:
    return make(checkout, "setup", f"PYTHON={python}")


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["make", *arguments]
    # Without what make test or make official-tests was given.
    outside = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "FLUVIO_"))}
    return subprocess.run(
        command, cwd=checkout, env=outside, capture_output=True, text=True, timeout=30
    )


def environments_made(checkout: Path) -> list[str]:
    calls = checkout / "calls"
    return calls.read_text().splitlines() if calls.exists() else []


@pytest.mark.parametrize("python", ["./old-python", "./no-python", ""])
def test_a_python_that_is_too_old_or_absent_is_told_in_one_line(
    checkout: Path, python: str
) -> None:
    done = setup(checkout, python)
    assert done.returncode != 0
    message, *rest = done.stderr.splitlines()
    assert message == (
        "spu-chaos needs Python 3.11 or later; name one: make setup PYTHON=python3.11"
    )
    assert all(line.startswith("make: ***") for line in rest)
    assert not (checkout / ".venv").exists()


def test_an_environment_that_works_is_kept(checkout: Path) -> None:
    assert setup(checkout, "./new-python").returncode == 0
    assert setup(checkout, "./new-python").returncode == 0
    assert environments_made(checkout) == ["-m venv --clear .venv"]


@pytest.mark.parametrize("damage", ["broken", "gone"])
def test_an_environment_whose_python_does_not_run_is_made_anew(checkout: Path, damage: str) -> None:
    assert setup(checkout, "./new-python").returncode == 0
    python = checkout / ".venv" / "bin" / "python"
    if damage == "gone":
        python.unlink()
    else:
        write(python, BROKEN)
    assert setup(checkout, "./new-python").returncode == 0
    assert environments_made(checkout) == ["-m venv --clear .venv"] * 2
    assert python.read_text() == WORKS


def test_the_official_tests_name_the_path_that_they_need_in_one_line(checkout: Path) -> None:
    done = make(checkout, "official-tests", "PYTHON=./new-python")
    assert done.returncode != 0
    message, *rest = done.stderr.splitlines()
    assert message == (
        "make official-tests needs a clone of https://github.com/infinyon/fluvio-client-python;"
        " name it: make official-tests FLUVIO_CLIENT_PYTHON=path"
    )
    assert all(line.startswith("make: ***") for line in rest)
    assert environments_made(checkout) == []
