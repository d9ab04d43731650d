"""Defects of the producer in what it tells of records: ok, failed, perhaps; and where they are."""

from chaos.mutants.mutant import AT_LEAST_ONCE, AT_MOST_ONCE, Mutant


class AcknowledgesBeforeTheAnswer(Mutant):
    """A request that was written counts as delivered when its connection ends.

    Writing did not fail, so the records are thought to have arrived.
    """

    where = "producer.delivery.delivery:AtLeastOnce._failed"
    before = "self._close_attempt()"
    after = """
        if self._begun and not isinstance(error, OverdueError):
            for entry in tuple(self._unsettled):
                self._settle(entry, Accepted(0))
            return Done()
        self._close_attempt()
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("acked-is-stored", "offset-is-true")


class SwallowsAnErrorCode(Mutant):
    """An answer with UnknownServerError counts as success.

    A code without a meaning of its own falls into the branch of what is no error.
    """

    where = "producer.delivery.delivery:Delivery._accept_and_refuse"
    before = "if code is Code.NONE:"
    after = "if code is Code.NONE or code is Code.UNKNOWN_SERVER_ERROR:"
    caught_by = ("acked-is-stored", "offset-is-true")
    examples = 2_000


class SaysNoWhereItIsMaybe(Mutant):
    """A request that was begun and never answered is said to be not stored.

    No answer is taken for a no.
    """

    where = "producer.delivery.delivery:Delivery._close_attempt"
    before = "self._open_attempts.update(self._unsettled)"
    after = "pass"
    caught_by = ("not-persisted-is-absent", "unprovoked-loss", "flush-settles")


class ForgetsOpenAttempts(Mutant):
    """The last attempt alone decides whether a record may be stored.

    The error that is raised is the last one, and it says that nothing was stored.
    """

    where = "producer.delivery.delivery:Delivery._give_up"
    before = "persisted = Persisted.MAYBE if entry in self._open_attempts else Persisted.NO"
    after = """
        certain = isinstance(cause, RefusedError) and cause.name == "MessageTooLarge"
        persisted = Persisted.MAYBE if entry in self._open_attempts else Persisted.NO
        persisted = Persisted.NO if certain else persisted
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("not-persisted-is-absent",)
    faults = 2


class TellsTheOffsetOfAnotherAttempt(Mutant):
    """After retries the offset is too low by their number.

    It is meant to point at the first copy, and counts what was never stored.
    """

    where = "producer.delivery.delivery:Delivery._accept_and_refuse"
    before = "self._settle(entry, Accepted(result.base_offset))"
    after = "self._settle(entry, Accepted(result.base_offset + 1 - self._attempts))"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("offset-is-true",)


class MixesUpPositionsOfResults(Mutant):
    """A retry sends its batches last one first, and its results are paired first one first.

    What is to be retried is kept on a stack.
    """

    where = "producer.delivery.delivery:AtLeastOnce._attempt"
    before = "return Attempt(self._attempts, tuple(self._unsettled), self._until)"
    after = """
        entries = self._unsettled if self._attempts == 1 else reversed(self._unsettled)
        return Attempt(self._attempts, tuple(entries), self._until)
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("offset-is-true", "order")
    records = 2
    examples = 2_000


class WaitHangsAfterAReset(Mutant):
    """At-most-once never settles a request whose connection was lost behind it.

    To connect again looks right while nothing was handed over; behind that nobody is left to do it.
    """

    where = "producer.delivery.delivery:AtMostOnce._failed"
    before = "if self._begun:"
    after = "if self._begun and isinstance(error, OverdueError):"
    semantics = (AT_MOST_ONCE,)
    caught_by = ("bounded", "unprovoked-loss")


class LeaksALateAnswer(Mutant):
    """An answer that nobody waits for is given to the oldest request that waits.

    Answers come in order, so the next one must be meant.
    """

    where = "producer.net.connection:Connection._answer"
    before = "call = self._calls.get(correlation_id)"
    after = """
        call = self._calls.get(correlation_id)
        if call is None and self._calls:
            correlation_id, call = next(iter(self._calls.items()))
    """
    caught_by = ("offset-is-true", "unprovoked-duplicate", "acked-is-stored")
    records = 2
    examples = 1_000


class ReusesACorrelationId(Mutant):
    """A new request takes the correlation id of one that was answered.

    The smallest free number is as good as any, until an answer comes twice or late.
    """

    where = "producer.net.connection:Connection.submit"
    before = "correlation_id, frame = self._wire.request(api, body, self.version_of(api))"
    after = """
        self._wire._next_id = next(n for n in range(2, 9999) if n not in self._calls)
        correlation_id, frame = self._wire.request(api, body, self.version_of(api))
    """
    caught_by = ("offset-is-true", "unprovoked-duplicate", "acked-is-stored")
    records = 2
    examples = 2_000


class StickyError(Mutant):
    """A record in a request after a failed one shares its fate for ever.

    The error is kept on the partition, for the next call to raise, and never cleared.
    """

    where = "producer.sender:PartitionSender._deliver"
    before = "await self._begin(machine, batches).drive()"
    after = """
        request = self._begin(machine, batches)
        if getattr(self, "_error", False):
            request.abandon()
        else:
            await request.drive()
        self._error = any(not hasattr(batch.outcome, "base_offset") for batch in batches)
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("no-loss", "alive-after-heal")


class TakesThoseBehindAlong(Mutant):
    """When a request fails, the batches that wait behind it are given up as well.

    Order could not be kept otherwise, and nobody promised order across a gap.
    """

    where = "producer.sender:PartitionSender._deliver"
    before = "self._deal_with(batches)"
    after = """
        if not hasattr(batches[0].outcome, "base_offset"):
            while behind := self.accumulator.take():
                none = AtMostOnce([math.inf] * len(behind), read_committed=False)
                self._begin(none, behind).abandon()
                batches = behind
        self._deal_with(batches)
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("no-loss",)
    records = 2


class GivesUpAtMostOnceTooLate(Mutant):
    """At-most-once counts the time of a batch from when its turn comes.

    The clock of a request starts with the request.
    """

    where = "producer.sender:PartitionSender._deliver_once"
    before = "[batch.created + life for batch in batches], read_committed=self._read_committed"
    after = "[trio.current_time() + life for _ in batches], read_committed=self._read_committed"
    semantics = (AT_MOST_ONCE,)
    caught_by = ("bounded",)
    records = 2
