"""An engine on the workers of a Dask cluster: each task is submitted to the executor of its client.

Dask starts a task whose worker dies on another worker. A task depends on its arguments alone, so
that its result is the same there. Only a task whose workers die several times (``allowed-failures``
of the scheduler, by default four) is lost.

A run seeds the random generator of trio, which the threads of a process share. A worker therefore
runs one task at a time, however many threads it has.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import islice
from math import inf
from threading import Lock
from types import TracebackType
from typing import Any, Self, TypeVar

from distributed import Client, KilledWorker

from chaos.search.pool import AHEAD, Engine, Lost

R = TypeVar("R")

CONNECT_S = 10.0
"""The limit on connecting to the scheduler, in seconds of real time."""

_ALONE = Lock()
"""Held by the task that runs in this process."""


class DaskEngine(Engine):
    """The workers of a Dask cluster, each of which needs this package in the same version.

    Args:
        address: the address of the scheduler, such as ``tcp://10.0.0.1:8786``.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def __enter__(self) -> Self:
        """Connect to the scheduler.

        Raises:
            ConnectionError: no scheduler answers.
        """
        try:
            self._client = Client(self._address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            reason = f"no Dask scheduler answers at {self._address}"
            raise ConnectionError(reason) from error
        # The result of a task counts once: without ``pure`` no task is taken for another.
        self._executor = self._client.get_executor(pure=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._executor.shutdown(wait=False)
        self._client.close()

    @property
    def width(self) -> int:
        """The number of workers, at least 1."""
        return max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))

    def results(
        self, tasks: Iterable[Callable[[], R]], ahead: float = inf
    ) -> Iterator[tuple[int, R | Lost]]:
        """Run tasks and yield their positions and results as they end."""
        waiting = enumerate(tasks)
        running: dict[Future[Any], int] = {}
        begun = 0
        while True:
            oldest = min(running.values(), default=begun)
            room = min(AHEAD * self.width - len(running), ahead - (begun - oldest))
            for number, task in islice(waiting, max(0, int(room))):
                running[self._executor.submit(_alone, task)] = number
                begun = number + 1
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), _result(future)


def _alone(task: Callable[[], R]) -> R:
    with _ALONE:
        return task()


def _result(future: "Future[R]") -> R | Lost:
    try:
        return future.result()
    except KilledWorker:
        return Lost("the Dask workers that ran it died, perhaps for lack of memory")
