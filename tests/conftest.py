"""Settings for all tests: the same examples and the same order of trio's tasks on every run, and no
deadline on a real clock.
"""

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from chaos.world.world import TaskOrder, order_tasks_by

settings.register_profile(
    "project",
    derandomize=True,
    deadline=None,
    max_examples=25,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],  # it measures real time too
)
settings.load_profile("project")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# A shell ignores SIGINT for what it starts in the background, and nohup ignores SIGHUP. Every child
# would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--task-order", default="0", help="the seed of the order in which trio resumes tasks"
    )


@pytest.fixture(autouse=True)
def _task_order(request: pytest.FixtureRequest) -> None:
    """Each test has its own order, so that a test that depends on it fails always or never."""
    order_tasks_by(TaskOrder(f"{request.config.getoption('--task-order')} {request.node.nodeid}"))


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Leave signals as they were: a command line that ends in this process ignores them from then
    on, and every process that a later test starts would inherit that.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)
