"""The choice of an engine: what runs the tasks of a search.

The result of a search does not depend on its engine.
"""

from chaos.search.pool import Engine, WorkerPool


def open_engine(jobs: int = 1, dask: str | None = None) -> Engine:
    """Return an engine for one ``with`` block.

    Args:
        jobs: the number of processes on this machine; with 1, no other process is started.
        dask: the address of a Dask scheduler, whose workers run the tasks in place of processes
            on this machine; None for no Dask.
    """
    if dask is None:
        return WorkerPool(jobs)
    # Slow to import, and an extra that is not installed everywhere.
    from chaos.search.dask_engine import DaskEngine

    return DaskEngine(dask)
