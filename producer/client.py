"""The client of a cluster: ``Fluvio.connect`` and ``topic_producer``.

>>> async def main():
...     async with Fluvio.connect("127.0.0.1:9003") as fluvio:
...         async with fluvio.topic_producer("greetings") as producer:
...             output = await producer.send("Hello", "Fluvio!")
...             print(await output.wait())
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio

from producer.config import TopicProducerConfig
from producer.delivery.accumulator import Limits
from producer.errors import ConfigError, ConnectError, DeliveryError
from producer.net.connection import Connection
from producer.net.dialling import Dial, dial_tcp, open_connection
from producer.net.metadata import Metadata
from producer.net.pool import Pool
from producer.net.tls import ssl_context
from producer.net.watching import Connect, look_up, watch
from producer.producer import TopicProducer
from producer.profile import load_profile
from producer.sender import Shared
from producer.stats import Counters, Unreported
from wire.address import parse_address
from wire.api import WATCH
from wire.api.storage import TopicCompression
from wire.codec import WireError
from wire.compression import Codec
from wire.profile import Profile, TlsPolicy

CONNECT_TIMEOUT_S = 10.0
"""How long connecting to the SC may take, its first answers included: as long as one attempt."""

CLOSE_TIMEOUT_S = 1.0
"""How long closing waits for SPUs to close their side, once everything is settled."""

CLIENT_ID = "fluvio"
"""What the official client calls itself; an SPU uses it for its statistics only."""

_PASSED_ON = (Exception, KeyboardInterrupt, SystemExit)
"""What leaves a block as it is; a nursery would wrap it into a group."""

_CODECS = {
    TopicCompression.NONE: Codec.NONE,
    TopicCompression.GZIP: Codec.GZIP,
    TopicCompression.SNAPPY: Codec.SNAPPY,
    TopicCompression.LZ4: Codec.LZ4,
    TopicCompression.ZSTD: Codec.ZSTD,
}


class Fluvio:
    """A connected client; made by ``Fluvio.connect``."""

    def __init__(
        self, metadata: Metadata, pool: Pool, now_ns: Callable[[], int], look_up_s: float
    ) -> None:
        self._metadata = metadata
        self._pool = pool
        self._now_ns = now_ns
        self._look_up_s = look_up_s

    @staticmethod
    @asynccontextmanager
    async def connect(
        address: str | None = None,
        *,
        profile: str | Profile | None = None,
        tls: TlsPolicy | None = None,
        client_id: str | None = None,
        connect_timeout: float = CONNECT_TIMEOUT_S,
        dial: Dial = dial_tcp,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> AsyncIterator["Fluvio"]:
        """Connect to a cluster, for as long as the block lasts.

        Args:
            address: the SC's ``HOST:PORT``; None takes it from the profile file.
            profile: the name of a profile in that file, or a profile; None for the current one.
                Without an effect if there is an address.
            tls: how connections are secured; None for what the profile says, or not at all.
            client_id: what requests are sent under; None for the profile's, or ``fluvio``.
            connect_timeout: how long connecting may take, in seconds.
            dial: makes streams.
            now_ns: the time of day in nanoseconds, which records are stamped with.

        Raises:
            ConfigError: the address, the profile or the certificates are not usable.
            ConnectError: the SC cannot be reached in that time, or is none.
        """
        if address is not None:
            chosen = Profile(address)
        else:
            chosen = profile if isinstance(profile, Profile) else load_profile(profile)
        policy = tls or chosen.tls
        try:
            sc = parse_address(chosen.endpoint)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        context = ssl_context(policy)
        name = client_id or chosen.client_id or CLIENT_ID

        async def connect_sc(seconds: float) -> Connection:
            with trio.move_on_after(seconds):
                return await open_connection(
                    dial, sc.host, sc.port, client_id=name, tls=context, server_name=policy.sc_name
                )
            raise ConnectError(f"cannot connect to {sc}: no answer in time")

        metadata = Metadata(chosen.use_spu_local_address)
        failure: BaseException | None = None
        async with trio.open_nursery() as nursery:
            pool = Pool(nursery, dial, name, policy, context)
            try:
                await _begin_watching(nursery, metadata, connect_sc, connect_timeout)
                yield Fluvio(metadata, pool, now_ns, connect_timeout)
                await pool.close(CLOSE_TIMEOUT_S)
            except _PASSED_ON as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    @asynccontextmanager
    async def topic_producer(
        self, topic: str, config: TopicProducerConfig | None = None
    ) -> AsyncIterator[TopicProducer]:
        """A producer for one topic; leaving the block closes it, as ``close`` does.

        An exception that leaves the block is raised as it is, after everything was settled; a
        cancelled block gives up what is open at once.

        Args:
            topic: the name of the topic.
            config: how to produce; ``TopicProducerConfig()`` if None.

        Raises:
            NotFoundError: there is no such topic.
            ConnectError: the topic had to be looked up, and the SC did not answer within
                ``connect_timeout``.
            ConfigError: the topic forbids the compression, or the topic's name leaves no room.
            FlushError: on leaving, if records were given up since the last flush.
        """
        self._metadata.want(topic)
        try:
            if not self._metadata.knows(topic):
                await look_up(self._metadata, topic, self._look_up_s)
            self._metadata.partition_count(topic)
            async with self._producing(topic, config or TopicProducerConfig()) as producer:
                yield producer
        finally:
            self._metadata.unwant(topic)

    @asynccontextmanager
    async def _producing(
        self, topic: str, config: TopicProducerConfig
    ) -> AsyncIterator[TopicProducer]:
        """A producer for a topic that is known."""
        limits = Limits(
            config.batch_size,
            config.max_request_size,
            config.batch_queue_size,
            self._codec(topic, config.compression),
            len(topic.encode()) + len(self._pool.client_id.encode()),
        )
        failure: BaseException | None = None
        producer: TopicProducer | None = None
        spus: dict[int, None] = {}
        self._pool.join(spus)
        try:
            async with trio.open_nursery() as nursery:
                producer = TopicProducer(self._shared(topic, config, limits, nursery, spus))
                try:
                    yield producer
                except _PASSED_ON as error:
                    failure = error
                if isinstance(failure, KeyboardInterrupt | SystemExit):
                    # A program that is being ended does not wait for a flush.
                    producer.abandon()
                    nursery.cancel_scope.cancel()
                else:
                    try:
                        await producer.close()
                    except DeliveryError as error:
                        failure = failure or error
        finally:
            if producer is not None:
                producer.abandon()
            self._pool.leave(spus)
        if failure is not None:
            raise failure

    def _shared(
        self,
        topic: str,
        config: TopicProducerConfig,
        limits: Limits,
        nursery: trio.Nursery,
        spus: dict[int, None],
    ) -> Shared:
        return Shared(
            topic=topic,
            config=config,
            limits=limits,
            metadata=self._metadata,
            pool=self._pool,
            nursery=nursery,
            now_ns=self._now_ns,
            counters=Counters(),
            unreported=Unreported(),
            spus=spus,
            attempt_timeout_s=config.attempt_timeout_s,
        )

    def _codec(self, topic: str, wanted: Codec | None) -> Codec:
        """How batches of a topic are compressed."""
        rule = self._metadata.compression(topic)
        if rule is TopicCompression.ANY:
            return wanted or Codec.NONE
        only = _CODECS[rule]
        if wanted is not None and wanted is not only:
            raise ConfigError(
                f"topic {topic!r} takes only compression {only.name.lower()}, "
                f"not {wanted.name.lower()}"
            )
        return only


async def _begin_watching(
    nursery: trio.Nursery,
    metadata: Metadata,
    connect: Connect,
    seconds: float,
) -> None:
    """Connect to the SC and wait until it has told everything once."""
    deadline = trio.current_time() + seconds
    connection = await connect(seconds)
    try:
        connection.version_of(WATCH)
    except WireError as error:
        await connection.discard()
        raise ConnectError(f"{connection.name} is no SC that can be used: {error}") from error
    nursery.start_soon(watch, metadata, connection, connect, seconds)
    with trio.move_on_at(deadline):
        await metadata.all_synced()
        return
    raise ConnectError(f"{connection.name} did not tell of its topics in {seconds:g} s")
