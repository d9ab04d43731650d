"""A cluster in memory; a test in virtual time asks for ``autojump_clock`` too."""

import pytest

from tests.producer.cluster import Cluster
from tests.simulator.memory import MemoryNetwork


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(MemoryNetwork())
