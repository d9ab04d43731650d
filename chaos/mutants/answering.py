"""Defects of the producer in the answers that it believes."""

from chaos.mutants.mutant import Mutant


class BelievesAnAnswerAboutAnotherTopic(Mutant):
    """An answer about another topic counts.

    A request names one topic only, so that the name in the answer looks superfluous.
    """

    where = "producer.request:Request._results"
    before = "about = [(t.name, r.partition_index) for t in response.topics for r in t.partitions]"
    after = """
        topic = self._shared.topic
        about = [(topic, r.partition_index) for t in response.topics for r in t.partitions]
    """
    regimes = ("answers",)
    caught_by = ("acked-is-stored",)


class BelievesANegativeOffset(Mutant):
    """An answer with an offset below zero counts.

    Only the error code is read to find out whether the records are stored.
    """

    where = "producer.request:Request._results"
    before = "if result.error_code is Code.NONE and result.base_offset < 0:"
    after = "if False:"
    regimes = ("answers",)
    caught_by = ("acked-is-stored", "offset-is-true")


class TakesTheFirstCodeForAll(Mutant):
    """The code of the first result counts for all batches of a request.

    Most requests hold one batch, and most errors concern the whole partition.
    """

    where = "producer.delivery.delivery:Delivery._accept_and_refuse"
    before = "code = result.error_code"
    after = "code = results[0].error_code"
    regimes = ("answers",)
    caught_by = (
        "acked-is-stored",
        "not-persisted-is-absent",
        "offset-is-true",
        "retry-policy",
        "unprovoked-duplicate",
        "no-loss",
    )
    records = 2


class DoesNotCountTheResults(Mutant):
    """An answer with fewer or more results than were asked for is passed on.

    Each result that is there is compared with what was asked, and their number is not.
    """

    where = "producer.request:Request._results"
    before = "if about != [(self._shared.topic, self._partition)] * len(sent.attempt.entries):"
    after = "if about != [(self._shared.topic, self._partition)] * len(about):"
    regimes = ("answers",)
    caught_by = ("speaks", "bounded", "acked-is-stored")


class IgnoresSurplusResults(Mutant):
    """An answer with more results than were asked for counts.

    Results are paired with batches by position, and what is left over is not looked at.
    """

    where = "producer.request:Request._results"
    before = "response = decode(PRODUCE.response, body, sent.call.version)"
    after = """
        response = decode(PRODUCE.response, body, sent.call.version)
        for topic in response.topics:
            topic.partitions = topic.partitions[: len(sent.attempt.entries)]
    """
    regimes = ("answers",)
    caught_by = ("acked-is-stored",)
