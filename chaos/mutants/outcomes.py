"""Defects of the producer in the outcomes and the offsets that it reports."""

from chaos.mutants.mutant import AT_LEAST_ONCE, AT_MOST_ONCE, Mutant


class AcknowledgesBeforeTheAnswer(Mutant):
    """A request that was written counts as delivered when its connection ends.

    Writing did not fail, and that is taken as proof that the records arrived.
    """

    where = "producer.delivery.delivery:AtLeastOnce._failed"
    before = "self._close_attempt()"
    after = """
        if self._begun and not isinstance(error, OverdueError):
            for entry in tuple(self._unsettled):
                self._settle(entry, Accepted(0))
            return DONE
        self._close_attempt()
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("acked-is-stored", "offset-is-true")


class SwallowsAnErrorCode(Mutant):
    """An answer with UnknownServerError counts as success.

    A code without a specific meaning falls into the branch for "no error".
    """

    where = "producer.delivery.delivery:Delivery._accept_and_refuse"
    before = "if code is Code.NONE:"
    after = "if code is Code.NONE or code is Code.UNKNOWN_SERVER_ERROR:"
    caught_by = ("acked-is-stored", "offset-is-true")
    examples = 2_000


class ReportsFailedForUnknown(Mutant):
    """The records of a request that was sent and never answered are reported as not stored.

    A missing answer is treated like an error answer.
    """

    where = "producer.delivery.delivery:Delivery._close_attempt"
    before = "self._open_attempts.update(self._unsettled)"
    after = "pass"
    caught_by = ("not-persisted-is-absent", "unprovoked-loss", "flush-settles")


class ForgetsOpenAttempts(Mutant):
    """The last attempt alone decides whether a record may be stored.

    The error that is raised is the last one, and it states that nothing was stored.
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


class ReportsTheOffsetOfAnotherAttempt(Mutant):
    """The reported offset is too low by the number of retries.

    It should point at the first copy, but counts attempts that stored nothing.
    """

    where = "producer.delivery.delivery:Delivery._accept_and_refuse"
    before = "self._settle(entry, Accepted(result.base_offset))"
    after = "self._settle(entry, Accepted(result.base_offset + 1 - self._attempts))"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("offset-is-true",)


class MixesUpPositionsOfResults(Mutant):
    """A retry sends its batches in reverse order, but assigns the results in the original order.

    The batches to retry are kept on a stack.
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
    """At-most-once never settles a request whose connection is lost after the request was sent.

    Connecting again is right before the request is sent; after that, no task does it.
    """

    where = "producer.delivery.delivery:AtMostOnce._failed"
    before = "if self._begun:"
    after = "if self._begun and isinstance(error, OverdueError):"
    semantics = (AT_MOST_ONCE,)
    caught_by = ("bounded", "unprovoked-loss")


class LeaksALateAnswer(Mutant):
    """An answer with an unknown correlation id is assigned to the oldest pending request.

    Answers arrive in order, so it is assumed to belong to the next request.
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
    """A new request takes the correlation id of an answered request.

    The smallest free number works, until an answer arrives twice or late.
    """

    where = "producer.net.connection:Connection.submit"
    before = "correlation_id, frame = self._wire.request(api, body, version)"
    after = """
        self._wire._next_id = next(n for n in range(2, 9999) if n not in self._calls)
        correlation_id, frame = self._wire.request(api, body, version)
    """
    caught_by = ("offset-is-true", "unprovoked-duplicate", "acked-is-stored")
    records = 2
    examples = 2_000


class StickyError(Mutant):
    """Every request after a failed one fails, too.

    The error is stored for the partition, so that the next call raises it, and never cleared.
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


class GivesUpTheBatchesBehind(Mutant):
    """When a request fails, the batches that wait behind it are given up as well.

    The intent is to keep the order of records, but order across a gap is not promised.
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
    """At-most-once measures the timeout of a batch from the start of its request.

    The timeout is implemented as the timeout of a request, which starts with the request.
    """

    where = "producer.sender:PartitionSender._deliver_once"
    before = "[batch.created + life for batch in batches], read_committed=self._read_committed"
    after = "[trio.current_time() + life for _ in batches], read_committed=self._read_committed"
    semantics = (AT_MOST_ONCE,)
    caught_by = ("bounded",)
    records = 2


class AssertsThatAllIsDelivered(Mutant):
    """A flush asserts that no record was given up.

    Under at-least-once each record is delivered, a programmer may think, and forget the policy.
    """

    where = "producer.stats:Tally.raise_if_any"
    before = "where, failure = self._first"
    after = "raise AssertionError"
    caught_by = ("speaks",)
