"""Performs the steps ``consume``: each within its bound, with a dialler of its own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

import trio

from chaos.consumption import (
    ConsumerDialled,
    Consumption,
    ConsumptionEnd,
    OffsetSent,
    OffsetStored,
    RecordsConsumed,
    consumer_client_id,
    digest_of,
)
from chaos.drivers import ConsumptionRecorder, DriverSession
from chaos.drivers.adapted import UNCOMMITTED_ONLY
from chaos.history import History, Need
from chaos.runner.dialling import reporting
from chaos.runner.run_cluster import RunCluster
from chaos.spec.consume_terms import ConsumeTerms
from chaos.spec.scenario import Scenario
from chaos.spec.step import every_step
from chaos.spec.steps.consume import Consume
from chaos.world.world import World
from simulator.events import Event
from wire.batch import Record

FINAL = ConsumeTerms.model_validate({"consumer": "final", "within": "10s"})
"""What is read after healing: everything."""


class ConsumptionLog(ConsumptionRecorder):
    """Writes what consumers read into a history.

    Args:
        history: receives all of it.
        now: returns the time of the run in seconds.
    """

    def __init__(self, history: History, now: Callable[[], float]) -> None:
        self.history = history
        self.now = now

    def begin(self, consumption: Consumption) -> Consumption:
        """Record that a consumption starts."""
        self.history.consumptions.append(consumption)
        return consumption

    def dialled(self, consumption: Consumption, port: int) -> None:
        """Record that a consumer made a connection."""
        self._note(ConsumerDialled(t=self.now(), consumption=consumption.n, port=port))

    def delivered(self, consumption: Consumption, records: Sequence[Record]) -> None:
        """Record that a consumer was delivered records."""
        self._note(
            RecordsConsumed(
                t=self.now(),
                consumption=consumption.n,
                offsets=tuple(record.offset for record in records),
                digests=tuple(map(digest_of, records)),
            )
        )

    def offset_sent(self, consumption: Consumption, offset: int) -> None:
        """Record that a consumer asked an SPU to store an offset."""
        self._note(OffsetSent(t=self.now(), consumption=consumption.n, offset=offset))

    def offset_stored(self, consumption: Consumption, offset: int) -> None:
        """Record that an SPU answered that it stored an offset."""
        self._note(OffsetStored(t=self.now(), consumption=consumption.n, offset=offset))

    def ended(
        self, consumption: Consumption, end: ConsumptionEnd, error: str | None = None
    ) -> None:
        """Record that a consumption ended, unless it has ended."""
        if consumption.end is None:
            consumption.ended, consumption.end, consumption.error = self.now(), end, error

    def _note(self, happened: Event) -> None:
        self.history.events.append(happened)


class Consuming:
    """The consumers of one run.

    Args:
        scenario: names the topic.
        cluster: the cluster.
        world: where the consumers connect, with a dialler that reports nothing.
        recorder: records what they read.
        session: the client.
    """

    def __init__(
        self,
        scenario: Scenario,
        cluster: RunCluster,
        world: World,
        recorder: ConsumptionLog,
        session: DriverSession,
    ) -> None:
        self._scenario = scenario
        self._cluster = cluster
        self._world = world
        self._recorder = recorder
        self._session = session
        self._steps = 0

    async def consume(self, terms: ConsumeTerms, *, final: bool = False) -> None:
        """Read the topic; return at an end, or when the time of the step is over."""
        if Need.CONSUME in self._session.not_applicable:
            return
        if UNCOMMITTED_ONLY in self._session.not_applicable:
            terms = terms.model_copy(update={"isolation": "read-uncommitted"})
        step, self._steps = self._steps, self._steps + 1
        partitions = self._partitions if terms.partition == "all" else [terms.partition]
        consumptions = [
            self._begun(terms, step, partition, final=final) for partition in partitions
        ]
        dial = reporting(self._world.dial, self._cluster, consumer_client_id(terms.consumer))
        with trio.move_on_after(terms.within):
            await self._session.consume(
                terms, consumptions, replace(self._world, dial=dial), self._recorder
            )
        for each in consumptions:
            self._recorder.ended(each, "bound")

    async def read_all(self) -> None:
        """Read everything after healing, if the workload has consumers."""
        if any(isinstance(step, Consume) for step in every_step(self._scenario.workload)):
            await self.consume(self._final_terms(), final=True)

    def _final_terms(self) -> ConsumeTerms:
        """Return the terms of the final read, which takes longer on a slow network."""
        network = self._scenario.network
        sent = sum(len(record.value) for record in self._recorder.history.records)
        more = 100 * network.latency + 10 * sent / (network.bandwidth or inf)
        return FINAL.model_copy(update={"within": FINAL.within + more})

    @property
    def _partitions(self) -> range:
        return range(self._cluster.partitions or 0)

    def _begun(self, terms: ConsumeTerms, step: int, partition: int, *, final: bool) -> Consumption:
        return self._recorder.begin(
            Consumption(
                n=len(self._recorder.history.consumptions),
                step=step,
                consumer=terms.consumer,
                partition=partition,
                started=self._recorder.now(),
                isolation=terms.isolation,
                start=terms.start,
                offset=terms.offset,
                consumer_id=terms.consumer_id,
                count=terms.count,
                final=final,
            )
        )
