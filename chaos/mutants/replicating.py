"""Defects that only a leader that fails, or a follower that is away, brings to light."""

from chaos.mutants.mutant import AT_LEAST_ONCE, Mutant

REGIMES = ("elections",)


class BelievesThatATimeoutIsSuccess(Mutant):
    """A record counts as acknowledged when the SPU gave up waiting for its commit.

    RequestTimedOut comes with an offset, and the records are indeed stored on the leader.
    """

    where = "producer.delivery.delivery:Delivery._accept_and_refuse"
    before = "refused[entry] = _refusal(code)"
    after = """
        if name_of(code) == "RequestTimedOut":
            self._settle(entry, Accepted(result.base_offset))
            continue
        refused[entry] = _refusal(code)
    """
    regimes = REGIMES
    caught_by = ("acked-is-stored",)


class AsksForNoCommitOnARetry(Mutant):
    """A retry is answered after the append, whatever the isolation.

    The retry is built by a function that takes the default of the protocol.
    """

    where = "producer.request:Request._submit"
    before = "call = connection.submit(PRODUCE, body, begun=self._begun)"
    after = """
        body.acks = body.acks if attempt.number == 1 else 1
        call = connection.submit(PRODUCE, body, begun=self._begun)
    """
    semantics = (AT_LEAST_ONCE,)
    regimes = REGIMES
    caught_by = ("as-configured", "acked-is-stored")


class AnswersBeforeTheFollowersHaveIt(Mutant):
    """Read-committed is answered as soon as the leader has the records.

    The wait is that of a topic with one replica.
    """

    where = "simulator.handlers.produce:_until_committed"
    before = "at = committed_at if log.replicate is None else None"
    after = "at = committed_at"
    regimes = REGIMES
    caught_by = ("acked-is-stored",)
    records = 0
    faults = 0


class CommitsWithTheFirstFollower(Mutant):
    """A record is committed when one follower has it, although there are two.

    Most topics have two replicas, where one follower is all of them.
    """

    where = "simulator.cluster.replication:Replication._fetch"
    before = "lowest = min(f.known for f in replicas.others.values())"
    after = "lowest = max(f.known for f in replicas.others.values())"
    regimes = REGIMES
    caught_by = ("acked-is-stored",)
    records = 0
    faults = 0


class CutsTheLogToTheHighWatermark(Mutant):
    """An elected leader drops the records that it has and that were not committed.

    A follower that joins must do so, and becoming a leader runs the same code.
    """

    where = "simulator.cluster.replication:Replication._elect"
    before = "log.truncate(elected.end)"
    after = "log.truncate(committed)"
    regimes = REGIMES
    caught_by = ("acked-is-stored",)
    faults = 2


class TellsTheEndOfTheOldLeader(Mutant):
    """The event of an election names the end of the old leader's log.

    The event is made before the log is cut, and reads the end of the log.
    """

    where = "simulator.cluster.replication:Replication._elect"
    before = "self._elected(partition, elected.spu, elected.end)"
    after = "self._elected(partition, elected.spu, log.end_offset)"
    regimes = REGIMES
    caught_by = ("acked-is-stored", "no-phantom", "order", "offset-is-true", "unprovoked-loss")
