"""Defects of the producer in how it connects."""

from chaos.mutants.mutant import AT_LEAST_ONCE, AT_MOST_ONCE, Mutant


class DialsAlthoughOneIsUnderWay(Mutant):
    """A partition that waits for a connection dials for itself, although a dial is under way.

    The check for a dial under way is meant to keep the waiters of an earlier dial apart from new
    ones.
    """

    where = "producer.net.pool:Pool._wait"
    before = "if spu.task is None:"
    after = "if spu.task is None or spu.waiters:"
    caught_by = ("connections",)
    records = 2


class GivesUpTheDialOfAll(Mutant):
    """An attempt that ends while it waits for a connection takes the dial down.

    Each waiter cleans up behind itself, and takes the dial for its own.
    """

    where = "producer.net.pool:Pool._wait"
    before = """
        spu.waiters.pop(waiter, None)
        spu.set_deadline()
    """
    after = """
        if spu.waiters.pop(waiter, self) is None and spu.task is not None:
            spu.task.cancel()
        spu.set_deadline()
    """
    semantics = (AT_LEAST_ONCE,)
    caught_by = ("recovers", "no-loss")
    records = 9


class RenewsTheMetadataWhenItIsQuiet(Mutant):
    """The metadata is renewed once no attempt has failed for half a second.

    The look-up is debounced, so that many failed attempts cause one look-up.
    """

    where = "producer.net.watching:_renew"
    before = "await trio.sleep_until(since + RENEW_S)"
    after = """
        await trio.sleep_until(since + RENEW_S)
        quiet = False
        while not quiet:
            metadata.renewing()
            with trio.move_on_after(0.5) as scope:
                await metadata.doubted()
            quiet = scope.cancelled_caught
    """
    semantics = (AT_MOST_ONCE,)
    caught_by = ("recovers",)
    records = 35
    faults = 4
    examples = 2_000


class DialsWithoutAPause(Mutant):
    """A refused dial is followed by the next one at once.

    An attempt of at-least-once pauses by itself, and at-most-once, whose pauses are those of the
    pool, is forgotten.
    """

    where = "producer.net.pool:_Spu.failed"
    before = "self.next_dial_at = trio.current_time() + self._backoff_s"
    after = "self.next_dial_at = trio.current_time()"
    semantics = (AT_MOST_ONCE,)
    regimes = ("exchanges", "cluster")
    caught_by = ("connections",)


class PausesBetweenDialsNeverGrow(Mutant):
    """Every pause behind a refused dial is as long as the first one.

    A pause of 20 ms seems to be long enough, and a server that is down for minutes is forgotten.
    """

    where = "producer.net.pool:_Spu.failed"
    before = "self._backoff_s = min(2 * self._backoff_s, BACKOFF_MAX_S)"
    after = "self._backoff_s = BACKOFF_S"
    semantics = (AT_MOST_ONCE,)
    regimes = ("exchanges", "cluster")
    caught_by = ("connections",)
