"""Defects of the producer in the number, the delay and the conditions of retries."""

from chaos.mutants.mutant import AT_LEAST_ONCE, AT_MOST_ONCE, Mutant


class GivesUpEarly(Mutant):
    """Makes one attempt fewer than the policy allows.

    ``max_retries`` is mistaken for the number of attempts.
    """

    where = "producer.delivery.delivery:AtLeastOnce._retry"
    before = "if self._attempts <= self._policy.max_retries:"
    after = "if self._attempts < self._policy.max_retries:"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("no-loss", "retry-policy")


class OneAttemptTooMany(Mutant):
    """Makes one attempt more than the policy allows.

    The first attempt is not counted, and the first retry is counted in its place.
    """

    where = "producer.sender:PartitionSender._deliver"
    before = "assert policy is not None"
    after = """
        import dataclasses
        policy = dataclasses.replace(policy, max_retries=policy.max_retries + 1)
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy",)


class WrongFibonacciStart(Mutant):
    """The Fibonacci delays are 1, 2, 3, 5 times the initial one, not 1, 1, 2, 3.

    Both sequences are known as Fibonacci's.
    """

    where = "producer.delivery.semantics:_fibonacci"
    before = "this, following = unit, unit"
    after = "this, following = unit, 2 * unit"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy",)
    faults = 2


class IgnoresMaxDelay(Mutant):
    """The delays grow beyond ``max_delay``.

    The limit of the counter is applied, the limit of the policy is not.
    """

    where = "producer.delivery.semantics:_sequence"
    before = "cap = min(max_ns, _CAP_NS)"
    after = "cap = _CAP_NS"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy", "no-loss")


class ResetsTheBackoff(Mutant):
    """Every retry waits as long as the first one.

    A new sequence of delays is created for each attempt, so that its first delay is used each time.
    """

    where = "producer.delivery.delivery:AtLeastOnce._retry"
    before = "resume = self._now + self._policy.delay(self._attempts)"
    after = "resume = self._now + self._policy.delay(1)"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy",)
    faults = 2


class RetriesAtOnce(Mutant):
    """A retry after a broken connection starts without a delay.

    The delays are meant to spare a slow server, and this server is gone.
    """

    where = "producer.delivery.delivery:AtLeastOnce._failed"
    before = "return self._retry(dict.fromkeys(self._unsettled, error))"
    after = """
        then = self._retry(dict.fromkeys(self._unsettled, error))
        if isinstance(then, RetryPause) and not isinstance(error, OverdueError):
            return RetryPause(self._now)
        return then
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy",)


class CountsTheTimeoutPerAttempt(Mutant):
    """The policy's timeout starts again with each attempt.

    The timeout of the policy is mistaken for the timeout of a request.
    """

    where = "producer.delivery.delivery:AtLeastOnce._end"
    before = "return self._since + self._policy.timeout"
    after = "return max(self._since, self._until - self._attempt_timeout) + self._policy.timeout"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy", "bounded")
    examples = 2_000


class RetriesBehindTheEnd(Mutant):
    """Keeps retrying after the policy's timeout.

    Only the number of retries is checked before the next one is scheduled.
    """

    where = "producer.delivery.delivery:AtLeastOnce._retry"
    before = "if resume < self._end:"
    after = "if resume:"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy", "bounded")


class OneAttemptTakesAllTheTime(Mutant):
    """An attempt waits until the policy's timeout, so that no other attempt can follow.

    The time that is left is not divided among the attempts.
    """

    where = "producer.delivery.delivery:AtLeastOnce._attempt"
    before = "self._until = min(self._now + self._attempt_timeout, self._end)"
    after = "self._until = self._end"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy", "no-loss")


class TreatsAFinalCodeAsRetriable(Mutant):
    """Retries after any error code of an SPU.

    The code becomes an exception, and its ``retriable`` flag is lost in the conversion.
    """

    where = "producer.delivery.delivery:_refusal"
    before = (
        'return RefusedError(name, f"the SPU answered {name}{detail}", '
        "retriable=bool(code.retriable))"
    )
    after = 'return RefusedError(name, f"the SPU answered {name}{detail}", retriable=True)'
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy",)


class TreatsARetriableCodeAsFinal(Mutant):
    """Gives up after any error code but NotLeaderForPartition.

    The source has a list of retriable codes that lacks most of them.
    """

    where = "producer.delivery.delivery:AtLeastOnce._answered"
    before = "if not error.retriable:"
    after = 'if error.name != "NotLeaderForPartition":'
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("no-loss", "retry-policy")


class RetriesUnderAtMostOnce(Mutant):
    """At-most-once sends a request again if there is no answer.

    At-most-once is implemented as at-least-once with few retries.
    """

    where = "producer.delivery.semantics:DeliverySemantic.at_most_once"
    before = "return cls(None)"
    after = "return cls(RetryPolicy(max_retries=1, timeout=10.0))"
    semantics = (AT_MOST_ONCE,)
    caught_by = ("no-duplicates",)


class GivesUpAtTheFirstConnect(Mutant):
    """At-most-once gives up a batch when the first connect fails.

    "No retries" is applied to connecting too, although nothing was transmitted.
    """

    where = "producer.delivery.delivery:AtMostOnce._failed"
    before = "self._give_up_late()"
    after = "self._give_up(self._unsettled, error)"
    semantics = (AT_MOST_ONCE,)
    caught_by = ("unprovoked-loss",)


class DoesNotNoticeALostConnection(Mutant):
    """An attempt whose connection is lost waits until its timeout.

    Only an answer wakes the task that waits for it.
    """

    where = "producer.net.connection:PendingCall.fail"
    before = "self._done.send()"
    after = "pass"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy", "no-loss")
