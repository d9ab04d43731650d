"""The listeners of all servers: opened, closed, and kept closed by faults.

A listener is closed while its SPU is stopped or a fault ``refuse`` holds it; it opens again when
nothing keeps it closed any more.
"""

import errno
import logging
import math
from collections.abc import Awaitable, Callable, Sequence

import trio

from simulator.events import ListenerClosed, ListenerReopened
from simulator.faults.model import Refusal
from simulator.journal import Journal
from simulator.options import SimulatorError
from simulator.serving.node import Node
from simulator.serving.transport import Bound, Listen, Stream
from wire.address import Address

ACCEPT_AGAIN_S = 0.1
"""The delay, in seconds, before a listener retries an ``accept`` that lacked files or memory."""

WARN_AGAIN_S = 1.0
"""The minimum interval, in seconds, between warnings about that, for all listeners together."""

REOPEN_S = 1.0
"""The interval, in seconds, between attempts to reopen a listener whose port is in use."""

_OVERLOADED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)
"""The errors of such an ``accept``; the pending connection is not lost."""

logger = logging.getLogger("simulator")


class Listeners:
    """Opens and closes the listeners of a simulator.

    Args:
        nodes: the servers.
        listen: opens a listener.
        journal: receives the events.
        start_soon: starts a task that may live as long as the simulator.
        accepted: serves a connection that was accepted, to its end.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        listen: Listen,
        journal: Journal,
        start_soon: Callable[..., object],
        accepted: Callable[[Node, Bound, Stream], Awaitable[None]],
    ) -> None:
        self._nodes = nodes
        self._listen = listen
        self._journal = journal
        self._start_soon = start_soon
        self._accepted = accepted
        self._refusing: dict[str, trio.CancelScope] = {}
        """By the name of a fault, the task that waits for the ends of its window."""
        self._time = trio.lowlevel.current_clock().current_time
        self._warned_at = -math.inf

    async def open(self, node: Node) -> None:
        """Open the listener of a server unless it is open, and accept connections.

        If something keeps the listener closed it is closed again, and only its port is known then.

        Raises:
            SimulatorError: the port is not free.
        """
        async with node.changing:
            if not node.listening:
                await self._open(node)
            if node.kept_closed:
                await self._close(node)

    async def _open(self, node: Node) -> None:
        try:
            node.bound = await self._listen(node.host, node.port)
        except OSError as error:
            option = "--port" if node.spu is None else "--spu-port"
            reason = (error.strerror or str(error)).lower()
            raise SimulatorError(
                f"cannot listen on {Address(node.host, node.port)}: {reason}; choose another"
                f" {option} or --host, or 0 for a free port"
            ) from error
        node.port = node.bound.port
        node.listening = True
        for listener in node.bound.listeners:
            self._start_soon(self._accept, node, node.bound, listener)

    async def close(self, node: Node) -> None:
        """Close the listener of a server; its connections stay."""
        async with node.changing:
            await self._close(node)

    async def _close(self, node: Node) -> None:
        if node.listening and node.bound is not None:
            node.listening = False
            with trio.CancelScope(shield=True):  # all of them, also if a fault is lifted meanwhile
                for listener in node.bound.listeners:
                    await listener.aclose()

    async def open_again(self, node: Node) -> None:
        """Open the listener again, unless ``stop_spu`` or a fault keeps it closed.

        Raises:
            SimulatorError: another process uses the port.
        """
        if not node.kept_closed:
            await self.open(node)

    # --- faults

    def refuse(self, fault: Refusal, since: float) -> None:
        """Keep listeners closed for the window of a fault.

        Args:
            fault: a fault that closes listeners.
            since: the time at which its clock started.
        """
        scope = self._refusing[fault.name] = trio.CancelScope()
        self._start_soon(self._refuse, fault, since, scope)

    def lift(self, fault: str) -> None:
        """End the effect of a fault on listeners, if it has one."""
        scope = self._refusing.pop(fault, None)
        if scope is not None:
            scope.cancel()
            self._release(fault)

    def lift_all(self) -> None:
        """Forget every fault; the caller opens the listeners."""
        for scope in self._refusing.values():
            scope.cancel()
        self._refusing.clear()
        for node in self._nodes:
            node.refused_by.clear()

    async def _refuse(self, fault: Refusal, since: float, scope: trio.CancelScope) -> None:
        start, end = fault.between or (0.0, math.inf)
        nodes = [node for node in self._nodes if fault.covers(node.index)]
        with scope:
            await trio.sleep_until(since + start)
            for node in nodes:
                node.refused_by.add(fault.name)
                await self.close(node)
                self._journal.record(ListenerClosed(server=node.name, fault=fault.name))
            await trio.sleep_until(since + end)
            self._release(fault.name)

    def _release(self, fault: str) -> None:
        """Undo the effect of a fault on listeners, each as soon as its port is free.

        The tasks belong to no fault: one that replaces it, or its removal, does not end them.
        """
        for node in self._nodes:
            if fault in node.refused_by:
                node.refused_by.remove(fault)
                self._start_soon(self._reopen, node, fault)

    async def _reopen(self, node: Node, fault: str) -> None:
        while True:
            try:
                await self.open_again(node)
            except SimulatorError as error:
                logger.warning("%s stays closed: %s", node.name, error)
                await trio.sleep(REOPEN_S)
            else:
                self._journal.record(ListenerReopened(server=node.name, fault=fault))
                return

    # --- accepting

    async def _accept(self, node: Node, bound: Bound, listener: trio.abc.Listener[Stream]) -> None:
        """Accept connections until the listener is closed."""
        try:
            while True:
                try:
                    stream = await listener.accept()
                except OSError as error:
                    if error.errno not in _OVERLOADED:
                        raise
                    self._warn(node.name, error)
                    await trio.sleep(ACCEPT_AGAIN_S)
                else:
                    self._start_soon(self._accepted, node, bound, stream)
        except trio.ClosedResourceError:
            pass
        finally:
            await listener.aclose()

    def _warn(self, name: str, error: OSError) -> None:
        now = self._time()
        if now >= self._warned_at + WARN_AGAIN_S:
            self._warned_at = now
            logger.warning("%s cannot accept: %s", name, error.strerror)
