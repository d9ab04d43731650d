"""How a client asks the SC: three watches for as long as it lives, and look-ups of single topics.

``watch`` keeps the metadata current on one connection, whose first answers replace what was known;
when the connection is lost, on another one, with growing pauses between tries. What was known stays
usable meanwhile: producers go on while the SC is away. The connection belongs to the
task of ``watch``. A look-up borrows it, gives up by itself and takes nothing down.
"""

import logging
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import TypeVar

import trio

from producer.errors import ConnectError, ConnectionLostError, FluvioError
from producer.net.connection import Connection
from producer.net.metadata import LABELS, Metadata
from wire.api import LIST, WATCH
from wire.api.admin import ListFilter, ListRequest, NameFilter, WatchOptions, WatchRequest
from wire.api.envelope import PARTITION, TOPIC, seal
from wire.api.objects import Partitions, Topics
from wire.codec import WireError, decode_repeated

RECONNECT_DELAY_S = 0.050
RECONNECT_DELAY_MAX_S = 2.0
"""The pause before the SC is tried again, twice as long each time. A cluster that restarts must not
be stormed, and a leader that moved must not stay unknown for long."""

SILENCE_S = 1.0
"""How long the SC may be silent, while it is dialled or asked, before that is done anew; twice as
long each time, for lines whose round trip is longer."""

RENEW_S = 2.0
"""How long a connection to the SC is given at least: an SPU that is down makes producers doubt with
every attempt, and the SC should not suffer for it."""

REQUESTS_REMEMBERED = 64
"""Requests to the SC that are kept: those of the few topics that a process looks up."""

Connect = Callable[[float], Awaitable[Connection]]
"""Connects to the SC within so many seconds; raises ConnectError if that fails."""

logger = logging.getLogger("producer")

M = TypeVar("M", Topics, Partitions)


async def watch(
    metadata: Metadata, connection: Connection, connect: Connect, seconds: float
) -> None:
    """Keep ``metadata`` current, beginning on a connection that is there; never returns.

    Args:
        metadata: what to keep current.
        connection: to the SC.
        connect: makes another connection when one is lost.
        seconds: how long a try to connect may take at most.
    """
    while True:
        await _follow(metadata, connection)
        connection = await _reconnect(connect, seconds)


async def look_up(metadata: Metadata, topic: str, seconds: float) -> None:
    """Ask the SC for a topic that is wanted and not known; nothing is learned if there is none.

    Args:
        metadata: takes the answer in.
        topic: its name.
        seconds: how long that may take.

    Raises:
        ConnectError: the SC does not answer in that time, or not in the protocol.
    """
    silence = SILENCE_S
    with trio.move_on_after(seconds):
        while True:
            connection = await metadata.usable_connection()
            with trio.move_on_after(silence):
                try:
                    return await _look_up_on(metadata, connection, topic)
                except ConnectionLostError as error:
                    logger.info("the SC did not tell of topic %r: %s", topic, error)
                    continue
                except WireError as error:
                    raise ConnectError(f"{connection.name} is of no use: {error}") from error
            metadata.doubt()
            silence *= 2
    raise ConnectError(f"the SC did not tell of topic {topic!r} in {seconds:g} s")


async def _look_up_on(metadata: Metadata, connection: Connection, topic: str) -> None:
    version = connection.version_of(LIST)
    for system in (False, True):
        calls = [
            connection.submit(LIST, _list_request(label, topic, system, version))
            for label in (TOPIC, PARTITION)
        ]
        try:
            topics, partitions = [await call.answer() for call in calls]
        finally:
            for call in calls:
                connection.forget(call)
        found = _listed(topics, Topics, version).objects
        if any(each.name == topic for each in found):
            metadata.learn(found, _listed(partitions, Partitions, version).objects)
            return


@lru_cache(REQUESTS_REMEMBERED)
def _list_request(label: str, topic: str, system: bool, version: int) -> ListRequest:
    wanted = ListFilter(name_filters=[NameFilter(name=topic)], system=system)
    return ListRequest(object=seal(label, wanted, version))


def _listed(body: bytes, cls: type[M], version: int) -> M:
    envelope = decode_repeated(LIST.response, body, version).object
    return decode_repeated(cls, envelope.body, version)


async def _follow(metadata: Metadata, connection: Connection) -> None:
    """Watch on one connection until it ends."""
    async with trio.open_nursery() as nursery:
        try:
            for label in LABELS:
                _submit_watch(metadata, connection, label)
        except (FluvioError, WireError) as error:
            logger.warning("the SC cannot be watched: %s", error)
            connection.retire()
        metadata.connected(connection)
        nursery.start_soon(_renew, metadata, connection)
        await connection.run()
        metadata.connected(None)
        nursery.cancel_scope.cancel()


async def _renew(metadata: Metadata, connection: Connection) -> None:
    """End a connection whose news led nowhere; the next one begins with everything there is.

    An update can be lost on its way, and an SC can fall silent with its connection open. The only
    sign is then a leader that does not lead.
    """
    metadata.renewing()
    since = trio.current_time()
    await metadata.doubted()
    await trio.sleep_until(since + RENEW_S)
    connection.end()


def _submit_watch(metadata: Metadata, connection: Connection, label: str) -> None:
    version = connection.version_of(WATCH)
    first = True

    def answered(body: bytes) -> None:
        nonlocal first
        try:
            metadata.apply(label, body, version, first=first)
        except WireError as error:
            # Better nothing new of these objects than no client: others may still be current.
            logger.warning("an update of %s objects does not decode: %s", label, error)
        first = False

    connection.submit(WATCH, _watch_request(label, version), answered=answered)


@lru_cache(REQUESTS_REMEMBERED)
def _watch_request(label: str, version: int) -> WatchRequest:
    return WatchRequest(object=seal(label, WatchOptions(), version))


async def _reconnect(connect: Connect, seconds: float) -> Connection:
    """Connect again; a try may be short at first, so that one lost greeting costs a second."""
    delay, silence = RECONNECT_DELAY_S, SILENCE_S
    while True:
        await trio.sleep(delay)
        since = trio.current_time()
        try:
            return await connect(min(silence, seconds))
        except FluvioError as error:
            logger.info("the SC is away: %s", error)
        if trio.current_time() >= since + silence:
            silence *= 2
        delay = min(2 * delay, RECONNECT_DELAY_MAX_S)
