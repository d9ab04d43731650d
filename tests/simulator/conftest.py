import pytest

from tests.simulator.memory import MemoryNetwork


@pytest.fixture
def network() -> MemoryNetwork:
    """A network in memory; a test in virtual time asks for ``autojump_clock`` too."""
    return MemoryNetwork()
