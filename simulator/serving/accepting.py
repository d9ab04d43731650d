"""Accepting connections although the process lacks files or memory for a while."""

import errno
import logging
import math
from collections.abc import Callable

import trio

from simulator.serving.transport import Stream

ACCEPT_AGAIN_S = 0.1
"""The delay, in seconds, before a listener retries an ``accept`` that lacked files or memory."""

WARN_AGAIN_S = 1.0
"""The minimum interval, in seconds, between warnings about that, for all listeners together."""

_OVERLOADED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
"""The errors of such an ``accept``; the pending connection is not lost."""

logger = logging.getLogger("simulator")


class Acceptor:
    """Accepts the connections of all listeners of a simulator.

    Args:
        clock: the time, in seconds of the simulator's clock.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._warned_at = -math.inf

    async def accept(self, name: str, listener: trio.abc.Listener[Stream]) -> Stream:
        """Wait for a connection.

        Args:
            name: the name of the server, for warnings.
            listener: its listener.

        Raises:
            OSError: the listener is defective.
            trio.ClosedResourceError: the listener is closed.
        """
        while True:
            try:
                return await listener.accept()
            except OSError as error:
                if error.errno not in _OVERLOADED:
                    raise
                self._warn(name, error)
            await trio.sleep(ACCEPT_AGAIN_S)

    def _warn(self, name: str, error: OSError) -> None:
        now = self._clock()
        if now >= self._warned_at + WARN_AGAIN_S:
            self._warned_at = now
            logger.warning("%s cannot accept: %s", name, error.strerror)
