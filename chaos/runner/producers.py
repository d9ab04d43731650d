"""The producers of one client in one run.

The first producer lasts as long as the client. Each further one is a block that is entered in one
step and left in another one, perhaps by another task, so that a task of its own holds it open.
"""

import trio

from chaos.drivers import ApplicationError, Broken, CallFailed, DriverSession
from chaos.runner.run_recorder import RunRecorder


class HeldProducer:
    """A producer that can be used, and the ways to leave its block.

    Args:
        number: of the producer.
        session: the producer.
        scope: around its block.
    """

    def __init__(self, number: int, session: DriverSession, scope: trio.CancelScope) -> None:
        self.number = number
        self.session = session
        self._scope = scope
        self._leaving = trio.Event()
        self._raised: ApplicationError | None = None
        self._left = trio.Event()
        self._failure: Exception | None = None

    async def leave(self) -> None:
        """Leave the block, and wait until it is left.

        Raises:
            CallFailed, Silent, Broken: as the driver raised it.
        """
        self._leaving.set()
        await self._left.wait()
        if self._failure is not None:
            raise self._failure

    async def fail(self) -> None:
        """Leave the block by an exception, and wait until it is left.

        Raises:
            Silent, Broken: as the driver raised it, or another exception came out of the block.
        """
        self._raised = ApplicationError("an error of the application")
        self._leaving.set()
        await self._left.wait()
        if self._failure is self._raised:
            return
        if isinstance(self._failure, CallFailed) or self._failure is None:
            came = "nothing" if self._failure is None else str(self._failure)
            raise Broken(f"an exception left the block of a producer, and {came} came out of it")
        raise self._failure

    async def cancel(self) -> None:
        """Cancel the block, and wait until it is left.

        Raises:
            CallFailed, Silent, Broken: as the driver raised it.
        """
        self._scope.cancel()
        await self.leave()

    async def hold(self) -> None:
        """Return when the block is to be left.

        Raises:
            ApplicationError: it is to be left by this exception.
        """
        await self._leaving.wait()
        if self._raised is not None:
            raise self._raised

    def left(self, failure: Exception | None) -> None:
        """Report that the block was left."""
        self._failure = failure
        self._left.set()


class Producers:
    """Makes the producers of a client, and keeps all of them at hand.

    Args:
        session: the first producer.
        nursery: what the tasks live in that hold the further ones open.
        recorder: records the calls.
    """

    def __init__(
        self, session: DriverSession, nursery: trio.Nursery, recorder: RunRecorder
    ) -> None:
        self._nursery = nursery
        self._recorder = recorder
        self._held = [HeldProducer(0, session, trio.CancelScope())]

    @property
    def first(self) -> HeldProducer:
        """The producer that the client was opened with."""
        return self._held[0]

    def numbered(self, number: int) -> HeldProducer:
        """Return a producer, which may be closed."""
        return self._held[number]

    def can(self, what: str) -> bool:
        """Return whether the client can do something that a driver may not be able to do."""
        return what not in self.first.session.not_applicable

    async def open(self) -> HeldProducer | None:
        """Make another producer; None if the client did not make one."""
        number = len(self._held)
        call = self._recorder.begin("open", number)
        self._held.append(self.first)  # the number is taken, also if no producer comes of it
        try:
            made: HeldProducer = await self._nursery.start(self._hold, number)
        except CallFailed as failure:
            self._recorder.fail(call, failure)
            return None
        self._held[number] = made
        self._recorder.end(call)
        return made

    async def _hold(
        self, number: int, task_status: trio.TaskStatus[HeldProducer] = trio.TASK_STATUS_IGNORED
    ) -> None:
        held: HeldProducer | None = None
        try:
            with trio.CancelScope() as scope:
                async with self.first.session.another(number) as session:
                    held = HeldProducer(number, session, scope)
                    task_status.started(held)
                    await held.hold()
        except Exception as error:
            if held is None:
                raise
            held.left(error)
        else:
            assert held is not None
            held.left(None)
