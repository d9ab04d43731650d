"""Defects in what the checks are given: the events, the outcomes, the logs.

They break no producer. They show that the judge believes nothing that does not fit together.
"""

from chaos.mutants.mutant import AT_MOST_ONCE, Mutant


class AppendMissing(Mutant):
    """The appends of requests that a fault struck leave no event.

    The event is made by the branch for ordinary requests.
    """

    where = "simulator.serving.connection_events:ConnectionEvents.appended"
    before = "if not self._journal.active:"
    after = "if not self._journal.active or application.request.verdict is not None:"
    caught_by = ("no-phantom", "unprovoked-loss")


class CopyOfTheWrongRequest(Mutant):
    """An append is recorded for the request before the one that a fault struck.

    The number is read from a counter that has moved on, or not yet.
    """

    where = "simulator.serving.connection_events:ConnectionEvents.appended"
    before = "transmission=request.transmission,"
    after = "transmission=request.transmission - (request.verdict is not None),"
    caught_by = ("no-phantom",)


class CopyOfTheNetworkUnnamed(Mutant):
    """The copy that a fault made is recorded as the producer's own.

    The name of the fault is passed on everywhere but to the last function.
    """

    where = "simulator.serving.connection_events:ConnectionEvents.appended"
    before = "copied_by=application.copied_by,"
    after = "copied_by=None,"
    caught_by = ("no-duplicates", "unprovoked-duplicate")


class FrameWithoutItsRecords(Mutant):
    """Frames on a connection that took the place of another are recorded as empty.

    What a frame carries is kept for each connection, and lost with the first.
    """

    where = "simulator.serving.exchange:Exchanges._received"
    before = "self._events.read(request)"
    after = """
        body = request.body
        if self._number > 1 + len(shared.cluster.spus):
            request.body = None
        self._events.read(request)
        request.body = body
    """
    caught_by = ("no-phantom",)


class FaultHitMissing(Mutant):
    """A fault that swallowed a request leaves no event.

    A request that ends there is thought to have no verdict.
    """

    where = "simulator.serving.exchange:Exchanges._ask"
    before = "if verdict is not None:"
    after = "if verdict is not None and not verdict.terminal.swallow:"
    semantics = (AT_MOST_ONCE,)
    caught_by = ("unprovoked-loss",)


class UnknownWrittenAsFailed(Mutant):
    """An outcome that is open is written down as certainly not stored.

    An error is an error, and there are two words too many.
    """

    where = "chaos.runner:_Run.failed"
    before = "self._settled(record, outcome)"
    after = 'self._settled(record, "failed")'
    caught_by = ("not-persisted-is-absent",)


class LogReadTooShort(Mutant):
    """The logs are read without their last record if anything struck.

    The end of the log is taken from before the healing.
    """

    where = "chaos.runner:_Run._experiment"
    before = "history.logs[index] = self._read_log(index)"
    after = """
        struck = sum(fault.fired for fault in simulator.summary().faults.values())
        log = self._read_log(index)
        history.logs[index] = log[:-1] if struck else log
    """
    caught_by = ("acked-is-stored",)
    records = 0
