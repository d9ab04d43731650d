"""Defects in what the checks read: the events, the outcomes, the logs.

They break no producer. They show that the judge detects contradictions in a history.
"""

from chaos.mutants.mutant import AT_MOST_ONCE, Mutant


class AppendMissing(Mutant):
    """The appends of requests that a fault struck leave no event.

    Only the branch for ordinary requests creates the event.
    """

    where = "simulator.serving.connection_events:ConnectionEvents.appended"
    before = "if not self._journal.active:"
    after = "if not self._journal.active or application.request.verdict is not None:"
    caught_by = ("no-phantom", "unprovoked-loss")


class CopyOfTheWrongRequest(Mutant):
    """The append of a request that a fault struck is recorded for the request before it.

    The number is read from a counter at the wrong time.
    """

    where = "simulator.serving.connection_events:ConnectionEvents.appended"
    before = "transmission=request.transmission,"
    after = "transmission=request.transmission - (request.verdict is not None),"
    caught_by = ("no-phantom",)


class CopyWithoutItsFault(Mutant):
    """A copy that a fault made is recorded as a copy that the producer made.

    The name of the fault is not passed to the last function.
    """

    where = "simulator.serving.connection_events:ConnectionEvents.appended"
    before = "copied_by=application.copied_by,"
    after = "copied_by=None,"
    caught_by = ("no-duplicates", "unprovoked-duplicate")


class FrameWithoutItsRecords(Mutant):
    """Frames on a connection that replaces another one are recorded as empty.

    The contents of frames are kept for each connection, and lost with the first one.
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
    """A fault that swallows a request leaves no event.

    The branch for swallowed requests returns before the event is created.
    """

    where = "simulator.serving.exchange:Exchanges._ask"
    before = "if verdict is not None:"
    after = "if verdict is not None and not verdict.terminal.swallow:"
    semantics = (AT_MOST_ONCE,)
    caught_by = ("unprovoked-loss",)


class UnknownWrittenAsFailed(Mutant):
    """An unknown outcome is recorded as certainly not stored.

    Every exception is recorded in the same way, although there are two outcomes for them.
    """

    where = "chaos.runner.run_recorder:RunRecorder.failed"
    before = "self._settled(record, outcome)"
    after = 'self._settled(record, "failed")'
    caught_by = ("not-persisted-is-absent",)


class LogReadTooShort(Mutant):
    """If any fault fired, the logs are read without their last record.

    The end offset of the log is read before healing.
    """

    where = "chaos.runner.run_cluster:SimulatedCluster._read_logs"
    before = "return {partition.index: self._read_log(partition) for partition in partitions}"
    after = """
        struck = sum(fault.fired or 0 for fault in self._simulator.fault_counts.values())
        end = -1 if struck else None
        return {partition.index: self._read_log(partition)[:end] for partition in partitions}
    """
    caught_by = ("acked-is-stored",)
    records = 0
