"""Defects of the producer in calls that overlap, are repeated or cancelled, and in closing."""

from chaos.mutants.mutant import AT_LEAST_ONCE, AT_MOST_ONCE, Mutant


class CallbackTwice(Mutant):
    """The delivery callback is called twice for a batch that was given up.

    The retry loop reports its last failure, and settling the batch reports the outcome.
    """

    where = "producer.request:Request._settle"
    before = "config.callback(report)"
    after = """
        config.callback(report)
        if isinstance(outcome, Failure):
            config.callback(report)
    """
    regimes = ("calls",)
    caught_by = ("told-once",)


class CallbackMissingOnClose(Mutant):
    """Batches that are sent after closing began are settled without the delivery callback.

    The callback is dropped first, so that it is not called while the application is torn down.
    """

    where = "producer.producer:TopicProducer.close"
    before = """
        for sender in self._senders:
            sender.close()
    """
    after = """
        import dataclasses
        self._shared.config = dataclasses.replace(self._shared.config, callback=None)
        for sender in self._senders:
            sender.close()
    """
    regimes = ("calls",)
    caught_by = ("told-once",)
    faults = 0


class LaterWaitForgetsTheDoubt(Mutant):
    """A wait for a record that was given up before says that it is not stored, in any case.

    The quick path makes an error of its own, whose default is that nothing is stored.
    """

    where = "producer.output:ProduceOutput.wait"
    before = "await trio.lowlevel.checkpoint()"
    after = """
        await trio.lowlevel.checkpoint()
        if isinstance(batch.outcome, Failure):
            raise DeliveryError(f"{batch.where}: not delivered")
    """
    regimes = ("calls",)
    caught_by = ("told-once",)


class OnlyTheLastWaiterWakes(Mutant):
    """A batch remembers one waiter only: the one that came last.

    The waiter is an attribute, since a record seems to be waited for once.
    """

    where = "producer.delivery.batch:Batch.add_done_callback"
    before = "self._callbacks[callback] = None"
    after = "self._callbacks = {callback: None}"
    regimes = ("calls",)
    caught_by = ("bounded",)
    faults = 0


class CancelledWaitDropsTheBatch(Mutant):
    """A wait that is cancelled frees the bytes of its batch.

    The record seems to have no waiter left, so that it need not be kept.
    """

    where = "producer.output:ProduceOutput.wait"
    before = "batch.remove_done_callback(settled.set)"
    after = """
        batch.remove_done_callback(settled.set)
        if not settled.is_set():
            batch.data = b""
    """
    semantics = (AT_LEAST_ONCE,)
    regimes = ("calls",)
    caught_by = ("acked-is-stored", "no-loss", "retry-policy", "no-phantom", "offset-is-true")


class CancelledFlushDropsTheQueue(Mutant):
    """A flush that is cancelled takes the batches with it that wait to be sent.

    A programmer may take a cancelled flush for a producer that gives up.
    """

    where = "producer.producer:TopicProducer.flush"
    before = "unreported.cancel(account)"
    after = """
        unreported.cancel(account)
        for sender in self._senders:
            sender.accumulator.take()
    """
    regimes = ("calls",)
    caught_by = ("bounded", "no-loss", "unprovoked-loss", "flush-settles")
    records = 2


class CancelledFlushKeepsItsFailures(Mutant):
    """The records that were given up during a flush are forgotten if it is cancelled.

    They are counted for the flush under way, and for no other one.
    """

    where = "producer.stats:Unreported.cancel"
    before = "self._flushes.remove(flush)"
    after = """
        self._flushes.remove(flush)
        for batch in flush.given_up:
            self._given_up.pop(batch, None)
    """
    regimes = ("calls",)
    caught_by = ("flush-settles",)
    examples = 1_500


class FlushRepeatsOldFailures(Mutant):
    """A flush reports failures that an earlier one has reported.

    What was given up is never forgotten.
    """

    where = "producer.stats:Unreported.end"
    before = "self._given_up.pop(batch, None)"
    after = "pass"
    regimes = ("calls",)
    caught_by = ("flush-settles",)


class FlushReportsLaterRecords(Mutant):
    """A flush also reports records that were sent after it began.

    All that is given up while it waits is counted.
    """

    where = "producer.stats:FlushAccount.covers"
    before = "return self._through is None or batch.number <= self._through.get(batch.partition, 0)"
    after = "return True"
    semantics = (AT_LEAST_ONCE,)
    regimes = ("flushes",)
    caught_by = ("flush-settles",)
    records = 2


class CloseForgetsTheLingeringBatch(Mutant):
    """Closing drops the batch that still lingers.

    Only what is in the queue is sent; the open batch was closed by the flush before, usually.
    """

    where = "producer.delivery.accumulator:Accumulator.close"
    before = "self.close_batch()"
    after = "self._batch, self._room = self._none, _CLOSED"
    regimes = ("calls",)
    caught_by = ("no-loss", "unprovoked-loss", "bounded")
    faults = 0


class LeavingEndsTheSharedConnection(Mutant):
    """A producer that leaves ends its connections at once, although another producer uses them.

    It closes what it has used. Connections belong to the client, and it does not know of others.
    """

    where = "producer.net.pool:Pool.finish"
    before = "self._finish([spu for spu in spus if not any(spu in others for others in users)])"
    after = """
        for used in [self._spus[number].connection for number in spus]:
            if used is not None:
                used.end()
    """
    semantics = (AT_MOST_ONCE,)
    regimes = ("calls",)
    caught_by = ("unprovoked-loss",)


class CountsRetriesOffByOne(Mutant):
    """The counter of retries leaves out the first retry of each request.

    Attempts are numbered from 1, and retries are taken to be as well.
    """

    where = "producer.request:Request._attempt"
    before = "self._shared.counters.retries += attempt.number > 1"
    after = "self._shared.counters.retries += attempt.number > 2"
    semantics = (AT_LEAST_ONCE,)
    regimes = ("calls",)
    caught_by = ("told-once",)


class CountsBatchesAsFailed(Mutant):
    """The counter of failures counts batches and not records.

    The other counters are kept next to it and count both.
    """

    where = "producer.request:Request._settle"
    before = "shared.counters.failed += batch.count"
    after = "shared.counters.failed += 1"
    regimes = ("calls",)
    caught_by = ("told-once",)
    records = 2


class AnErrorAbandonsTheProducer(Mutant):
    """An exception that leaves the block gives up at once what is open.

    The application has failed, so that its records seem to be of no use; only the end of the
    program may do without a flush.
    """

    where = "producer.client:Fluvio._producing"
    before = "if isinstance(failure, KeyboardInterrupt | SystemExit):"
    after = "if failure is not None:"
    regimes = ("leaving",)
    caught_by = ("no-loss", "unprovoked-loss", "retry-policy")
    faults = 0


class LeavingHidesTheError(Mutant):
    """Records that were given up replace the exception that leaves the block.

    Closing raises an error of its own, which seems to be the latest news.
    """

    where = "producer.client:Fluvio._producing"
    before = "failure = failure or error"
    after = "failure = error"
    regimes = ("leaving",)
    caught_by = ("speaks",)


class CancelledCloseFlushesFirst(Mutant):
    """A close that its caller cancels settles everything first.

    The closing is shielded, so that no record is lost by it.
    """

    where = "producer.producer:TopicProducer.close"
    before = "await self._settle_everything()"
    after = """
        with trio.CancelScope(shield=True):
            await self._settle_everything()
    """
    regimes = ("leaving",)
    caught_by = ("bounded",)
    faults = 0


class AbandonedMeansNotStored(Mutant):
    """What is in flight when the producer is torn down is reported as certainly not stored.

    The attempt is not closed first, which would leave it open for good.
    """

    where = "producer.delivery.delivery:Delivery.on"
    before = "self._close_attempt()"
    after = "pass"
    regimes = ("leaving",)
    caught_by = ("not-persisted-is-absent",)
    faults = 0


class AbandonedAnswersAreNotDue(Mutant):
    """A connection that never answers what its owner gave up stays in use.

    The deadline of a request ends with its waiter.
    """

    where = "producer.net.connection:Connection.forget"
    before = "self._owed[call.correlation_id] = due"
    after = "pass"
    semantics = (AT_LEAST_ONCE,)
    regimes = ("leaving",)
    caught_by = ("no-loss",)
    records = 2
    faults = 1
    examples = 2000


class AbandonedFramesLeaveLater(Mutant):
    """A frame that stands in line on its connection when the producer is torn down leaves later.

    The request has no waiter left, which seems to be enough.
    """

    where = "producer.request:Request.abandon"
    before = """
        if self._sent is not None:
            sent = self._sent
            sent.connection.forget(sent.call, due=sent.attempt.until)
    """
    after = ""
    regimes = ("leaving",)
    caught_by = ("not-persisted-is-absent", "told-once")
    records = 2
    faults = 0
    examples = 1000
