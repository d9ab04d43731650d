"""Tests in this folder need the official Node client, which ``make node`` installs."""

import pytest

from chaos.drivers.kinds.official_node import NOT_INSTALLED, has_node_client


@pytest.fixture(scope="session", autouse=True)
def _node_client() -> None:
    if not has_node_client():
        pytest.skip(NOT_INSTALLED)
