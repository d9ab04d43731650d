"""Dialling that reports refused connects to the cluster of a run."""

import errno

import trio

from chaos.runner.run_cluster import RunCluster
from producer.net.dialling import Dial


def reporting(dial: Dial, cluster: RunCluster, client_id: str | None = None) -> Dial:
    """Return a dialler that reports refused connects; a client that dials by itself does not use
    it.

    Args:
        dial: makes the connections.
        cluster: receives the reports.
        client_id: who dials; None for the producer.
    """

    async def dialling(host: str, port: int) -> trio.abc.Stream:
        try:
            stream = await dial(host, port)
        except OSError as error:
            cluster.dialled(port, refused=_is_refusal(error), client_id=client_id)
            raise
        cluster.dialled(port, refused=False, client_id=client_id)
        return stream

    return dialling


def _is_refusal(error: BaseException) -> bool:
    """Return whether a connect failed because nothing listens; trio raises from a group of the
    errors for each address."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(_is_refusal, error.exceptions))
    if error.__cause__ is not None:
        return _is_refusal(error.__cause__)
    return isinstance(error, OSError) and error.errno == errno.ECONNREFUSED
