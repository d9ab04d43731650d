"""Virtual time: a test that asks for ``clock`` runs on it."""

import pytest

from chaos.world.clock import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()
