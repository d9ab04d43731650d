"""Tests in this folder need the official client: where it exists, they fail without it."""

import pytest

from tests.official import wheel


@pytest.fixture(scope="session", autouse=True)
def _official_client() -> None:
    missing = wheel.absence(wheel.requirement(), wheel.installed_version())
    if missing is None:
        return
    if missing.outcome == "skip":
        pytest.skip(missing.reason)
    pytest.fail(missing.reason, pytrace=False)
