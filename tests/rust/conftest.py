"""Tests in this folder need the Rust driver, which ``make rust`` builds."""

import pytest

from chaos.drivers.kinds.official_rust import NOT_BUILT, is_built


@pytest.fixture(scope="session", autouse=True)
def _rust_driver() -> None:
    if not is_built():
        pytest.skip(NOT_BUILT)
