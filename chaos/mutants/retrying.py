"""Defects of the producer in how often, how late and after what it tries again."""

from chaos.mutants.mutant import AT_LEAST_ONCE, AT_MOST_ONCE, Mutant


class GivesUpEarly(Mutant):
    """Makes one attempt fewer than the policy allows.

    ``max_retries`` is taken for the number of attempts.
    """

    where = "producer.delivery.delivery:AtLeastOnce._retry"
    before = "if self._attempts <= self._policy.max_retries:"
    after = "if self._attempts < self._policy.max_retries:"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("no-loss", "retry-policy")


class OneAttemptTooMany(Mutant):
    """Makes one attempt more than the policy allows.

    The first attempt is not counted, and the first retry is taken for it.
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

    Both beginnings are called Fibonacci's.
    """

    where = "producer.delivery.semantics:_fibonacci"
    before = "this, following = unit, unit"
    after = "this, following = unit, 2 * unit"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy",)
    faults = 2


class IgnoresMaxDelay(Mutant):
    """The delays grow beyond ``max_delay``.

    The cap of the counter is kept in mind, the one of the policy is not.
    """

    where = "producer.delivery.semantics:_sequence"
    before = "cap = min(max_ns, _CAP_NS)"
    after = "cap = _CAP_NS"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy", "no-loss")


class ResetsTheBackoff(Mutant):
    """Every retry waits as long as the first one.

    The sequence of delays is made anew for each attempt, and its first one taken.
    """

    where = "producer.delivery.delivery:AtLeastOnce._retry"
    before = "resume = self._now + self._policy.delay(self._attempts)"
    after = "resume = self._now + self._policy.delay(1)"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy",)
    faults = 2


class RetriesAtOnce(Mutant):
    """An attempt whose connection broke is made again without a delay.

    The delays are meant to spare a server that is slow, and this one is gone.
    """

    where = "producer.delivery.delivery:AtLeastOnce._failed"
    before = "return self._retry(dict.fromkeys(self._unsettled, error))"
    after = """
        then = self._retry(dict.fromkeys(self._unsettled, error))
        if isinstance(then, Pause) and not isinstance(error, OverdueError):
            return Pause(self._now)
        return then
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy",)


class CountsTheTimeoutPerAttempt(Mutant):
    """The policy's timeout begins again with each attempt.

    The timeout of a policy is taken for the timeout of a request.
    """

    where = "producer.delivery.delivery:AtLeastOnce._end"
    before = "return self._since + self._policy.timeout"
    after = "return max(self._since, self._until - self._attempt_timeout) + self._policy.timeout"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy", "bounded")
    examples = 2_000


class RetriesBehindTheEnd(Mutant):
    """Goes on to wait and try when the policy's timeout is over.

    Only the number of retries is looked at when the next one is planned.
    """

    where = "producer.delivery.delivery:AtLeastOnce._retry"
    before = "if resume < self._end:"
    after = "if resume:"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy", "bounded")


class OneAttemptTakesAllTheTime(Mutant):
    """An attempt waits until the policy's timeout, so that none can follow it.

    "As long as there is time left" is forgotten to be divided among the attempts.
    """

    where = "producer.delivery.delivery:AtLeastOnce._attempt"
    before = "self._until = min(self._now + self._attempt_timeout, self._end)"
    after = "self._until = self._end"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy", "no-loss")


class TreatsAFinalCodeAsRetriable(Mutant):
    """Tries again whatever code an SPU refused with.

    The code is turned into an error, and what it says of retrying is lost on the way.
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
    """Gives up after any code but NotLeaderForPartition.

    A list of codes to retry stands in the code, and somebody forgot most of them.
    """

    where = "producer.delivery.delivery:AtLeastOnce._answered"
    before = "if not error.retriable:"
    after = 'if error.name != "NotLeaderForPartition":'
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("no-loss", "retry-policy")


class RetriesUnderAtMostOnce(Mutant):
    """At-most-once sends a request again when no answer came.

    At-most-once is built as at-least-once with few retries, as if that were what it means.
    """

    where = "producer.delivery.semantics:DeliverySemantic.at_most_once"
    before = "return cls(None)"
    after = "return cls(RetryPolicy(max_retries=1, timeout=10.0))"
    semantics = (AT_MOST_ONCE,)
    caught_by = ("no-duplicates",)


class GivesUpAtTheFirstConnect(Mutant):
    """At-most-once gives a batch up when the first connect fails.

    "No retries" is taken to hold for connecting too, though nothing was transmitted.
    """

    where = "producer.delivery.delivery:AtMostOnce._failed"
    before = "self._give_up_late()"
    after = "self._give_up(self._unsettled, error)"
    semantics = (AT_MOST_ONCE,)
    caught_by = ("unprovoked-loss",)


class DoesNotNoticeALostConnection(Mutant):
    """An attempt whose connection is lost waits out its whole time.

    Only the answer wakes who waits for it.
    """

    where = "producer.net.connection:Call.fail"
    before = "self._done.set()"
    after = "pass"
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("retry-policy", "no-loss")
