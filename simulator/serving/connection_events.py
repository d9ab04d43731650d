"""Creates the events of one connection."""

from simulator.cluster.cluster import Partition
from simulator.events import (
    Appended,
    ClosedBy,
    CloseReason,
    ConnectionClosed,
    ConnectionOpened,
    Evicted,
    FaultHit,
    FramePartlyRead,
    FrameRead,
    FrameWritten,
)
from simulator.faults.effects import CutPoint
from simulator.faults.plan import Decision
from simulator.journal import Journal
from simulator.serving.pending import Application, PendingAnswer, PendingRequest
from wire.connection import ServerConnection

PARTLY_READ_BYTES_MAX = 4 * 1024 * 1024
"""The bytes of an incomplete frame that its event holds: more than a request of the default
``max_request_size``, and few enough for a run that breaks off many."""


class ConnectionEvents:
    """Creates the events of one connection if the journal is active.

    Args:
        journal: the journal that receives the events.
        connection: the number of the connection.
        server: ``sc``, or ``spu:0`` and so on.
    """

    def __init__(self, journal: Journal, connection: int, server: str) -> None:
        self._journal = journal
        self._connection = connection
        self._server = server

    def opened(self, port: int) -> None:
        """Record that the connection was accepted.

        Args:
            port: the port of the client; 0 if it is not known.
        """
        if self._journal.active:
            self._journal.record(
                ConnectionOpened(connection=self._connection, server=self._server, port=port)
            )

    def closed(self, by: ClosedBy, reason: CloseReason, error: str | None) -> None:
        """Record that the connection ended."""
        if self._journal.active:
            self._journal.record(
                ConnectionClosed(
                    connection=self._connection,
                    server=self._server,
                    by=by,
                    reason=reason,
                    error=error,
                )
            )

    def partly_read(self, wire: ServerConnection) -> None:
        """Record that reading ended within a frame."""
        if not self._journal.active:
            return
        api, data = wire.partial(PARTLY_READ_BYTES_MAX)
        self._journal.record(
            FramePartlyRead(
                connection=self._connection,
                server=self._server,
                size=wire.frames.held,
                api=api,
                data=data,
            )
        )

    def read(self, request: PendingRequest) -> None:
        """Record that a request was read."""
        if not self._journal.active:
            return
        frame, header = request.frame, request.frame.header
        read = FrameRead(
            connection=self._connection,
            server=self._server,
            api=frame.api.name,
            api_version=header.api_version,
            correlation_id=header.correlation_id,
            client_id=header.client_id,
            transmission=request.transmission,
            size=frame.size,
            offered=frame.offered,
        )
        if frame.api.names_partitions:  # else it carries nothing, either
            read.topic, read.partition = request.first_partition
            read.carried = request.carried
            terms = request.commit_terms
            if terms is not None:
                read.acks, read.timeout_ms = terms
        self._journal.record(read)

    def hit(self, request: PendingRequest, at: CutPoint, decision: Decision) -> None:
        """Record that a fault struck the request or an answer to it."""
        if not self._journal.active:
            return
        struck = decision.struck
        topic, partition = struck[:2] if struck is not None else request.first_partition
        self._journal.record(
            FaultHit(
                connection=self._connection,
                server=self._server,
                api=request.frame.api.name,
                correlation_id=request.frame.header.correlation_id,
                transmission=request.transmission,
                topic=topic,
                partition=partition,
                entry=None if struck is None else struck.entry,
                fault=decision.fault,
                kind=decision.kind,
                at=at,
                ordinal=decision.ordinal,
                shadowed=decision.shadowed,
                delay_s=decision.delay_s,
                code=decision.code,
                how=decision.how,
                after_bytes=decision.after_bytes,
                what=decision.what,
                effects=decision.effects,
            )
        )

    def appended(
        self,
        application: Application,
        partition: Partition,
        base_offset: int,
        records: int,
        now: float,
        entry: int,
    ) -> None:
        """Record that an application appended the records of an entry."""
        if not self._journal.active:
            return
        request = application.request
        self._journal.record(
            Appended(
                connection=self._connection,
                server=self._server,
                api=request.frame.api.name,
                correlation_id=request.frame.header.correlation_id,
                topic=partition.topic.name,
                partition=partition.index,
                base_offset=base_offset,
                records=records,
                high_watermark=partition.log.high_watermark(now),
                entry=entry,
                transmission=request.transmission,
                copied_by=application.copied_by,
            )
        )

    def told_of_append(
        self,
        application: Application,
        partition: tuple[str, int],
        base_offset: int,
        records: int,
        high_watermark: int,
        entry: int,
    ) -> None:
        """Record that the server behind a proxy says that it has appended an entry."""
        if not self._journal.active:
            return
        request = application.request
        self._journal.record(
            Appended(
                connection=self._connection,
                server=self._server,
                api=request.frame.api.name,
                correlation_id=request.frame.header.correlation_id,
                topic=partition[0],
                partition=partition[1],
                base_offset=base_offset,
                records=records,
                high_watermark=high_watermark,
                entry=entry,
                transmission=request.transmission,
                copied_by=application.copied_by,
            )
        )

    def evicted(self, partition: Partition) -> None:
        """Record that the oldest batches of a partition are gone."""
        topic, start = partition.topic.name, partition.log.start_offset
        self._journal.record(Evicted(topic=topic, partition=partition.index, start_offset=start))

    def written(self, answer: PendingAnswer, size: int) -> None:
        """Record that ``size`` bytes of an answer were written."""
        if not self._journal.active:
            return
        request = answer.request
        topic, partition = request.first_partition
        self._journal.record(
            FrameWritten(
                connection=self._connection,
                server=self._server,
                api=request.frame.api.name,
                correlation_id=request.frame.header.correlation_id,
                transmission=request.transmission,
                topic=topic,
                partition=partition,
                size=size,
                frame_size=len(answer.frame),
            )
        )
