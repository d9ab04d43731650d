"""Replays a recording against the simulator, in virtual time.

The frames of the client are sent as they were recorded, byte for byte, in the recorded order and
no closer to each other than they were. Before each of them the replay waits for as many answers to
earlier requests of its connection as the recording has: an answer decides what a client sends next,
so a frame that overtakes it tests a client that does not exist. Of the answers to a watch only the
first is waited for, since a client sends nothing because of news. A real client would also react to
an answer that differs; this one does not, so an early difference may cause later ones.

An answer that never comes is waited for once, for ``ANSWER_S``, and a session as a whole ends
``SESSION_S`` after its recorded length at the latest. Both are virtual time and cost nothing.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial

import trio

from chaos.conformance.recording import (
    CLIENT_ENDS,
    ExchangeMatcher,
    RecordedEvent,
    RecordedExchange,
    Recording,
    What,
)
from chaos.conformance.setup import Beside, KeyAndValue, SessionSetup, TopicSetup
from chaos.spec.scenario import Scenario
from chaos.world.network import reset_virtual
from chaos.world.world import World, run_in
from simulator import Config, Simulator, open_simulator
from simulator.cluster.replication import ReplicationTerms
from wire.address import parse_address
from wire.api import PRODUCE, WATCH
from wire.api.produce import PartitionRecords, ProduceRequest, TopicRecords
from wire.api.topic import Computed, TopicSpec
from wire.batch import encode_batch, encode_record
from wire.codec import WireError
from wire.connection import ClientConnection
from wire.framing import LENGTH_BYTES, RESPONSE_BYTES_MIN, FrameReader
from wire.topic_name import SYSTEM_TOPIC

ANSWER_S = 120.0
"""How long the replay waits for an answer that the recording has. The slowest answer of an SC, to
a creation that lacks SPUs, comes after 90 s."""

SESSION_S = 600.0
"""How much longer than its recording a session may take, in all."""

SETTLE_S = 10.0
"""How long the replay waits for late news before it ends a connection that had some, and at the
end."""


def replay_session(recording: Recording, setup: SessionSetup) -> Recording:
    """Replay a session against a new simulator; return it as it went this time.

    Args:
        recording: what the client sends, and when.
        setup: what lies in the cluster, and what happens beside the session.
    """
    scenario = Scenario.model_validate({"name": recording.name, "workload": ["flush"]})
    return run_in("virtual", scenario, partial(_replay, recording, setup))


async def _replay(recording: Recording, setup: SessionSetup, world: World) -> Recording:
    terms = ReplicationTerms(replicas=1, first_fetch_s=setup.first_fetch)
    config = Config(spus=setup.spus, topics={}, replication=terms)
    async with open_simulator(config, listen=world.listen) as simulator:
        simulator.move_leader(SYSTEM_TOPIC, 0, setup.system_topic_leader)
        for topic in setup.topics:
            await create_topic(world, simulator, topic)
        session = _Session(recording, setup, world, simulator)
        length = recording.events[-1].at - recording.events[0].at if recording.events else 0.0
        with trio.move_on_after(length + SESSION_S):
            await session.run()
        return Recording(recording.name, session.events)


class _Session:
    """The client side of one replay."""

    def __init__(
        self, recording: Recording, setup: SessionSetup, world: World, simulator: Simulator
    ) -> None:
        self._script: list[RecordedEvent | Beside] = [*recording.events, *setup.beside]
        self._script.sort(key=lambda step: step.at)  # stable: the recorded order stays
        self._with_news = {
            exchange.connection
            for exchange in recording.exchanges().values()
            if len(exchange.answers) > 1
        }
        self._world = world
        self._simulator = simulator
        self._began = trio.current_time()
        self._zero = self._began - (self._script[0].at if self._script else 0.0)
        """The time of the run at the time 0 of the recording; later after each wait."""
        self._streams: dict[int, trio.abc.HalfCloseableStream] = {}
        self._recorded = ExchangeMatcher()
        """The exchanges of the recording by now; those with answers are waited for."""
        self._replayed = ExchangeMatcher()
        """The exchanges of the replay by now."""
        self._given_up: set[tuple[int, int]] = set()
        """Connection and number of the exchanges that were waited for in vain."""
        self._ended: set[int] = set()
        """The connections on which nothing more arrives."""
        self._arrived = trio.lowlevel.ParkingLot()
        self.events: list[RecordedEvent] = []
        """What happened so far."""

    async def run(self) -> None:
        """Replay what the client did, and what happened beside it, in the order of time."""
        async with trio.open_nursery() as nursery:
            for step in self._script:
                if isinstance(step, Beside):
                    await self._wait_until(step.at, self._streams)
                    await self._act_beside(step)
                    continue
                if step.what is What.OPEN:
                    await self._wait_until(step.at, ())
                    await self._open(step, nursery)
                elif step.what is What.REQUEST:
                    await self._wait_until(step.at, [step.connection])
                    await self._send(step)
                elif step.what in CLIENT_ENDS:
                    await self._wait_until(step.at, [step.connection])
                    await self._end(step)
                self._recorded.add(step)
            await trio.sleep(SETTLE_S)
            nursery.cancel_scope.cancel()

    # --- waiting

    async def _wait_until(self, at: float, connections: Iterable[int]) -> None:
        """Wait for a time of the recording, and for the answers that some connections have by then;
        what was waited for in vain is not waited for again."""
        await trio.sleep_until(self._zero + at)
        with trio.move_on_after(ANSWER_S):
            while self._lacking(connections):
                await self._arrived.park()
        self._given_up.update(self._lacking(connections))
        self._zero = max(self._zero, trio.current_time() - at)

    def _lacking(self, connections: Iterable[int]) -> list[tuple[int, int]]:
        """Return the exchanges of some connections with fewer answers by now than in the recording,
        and for which more can come."""
        return [
            key
            for key, exchange in self._recorded.exchanges.items()
            if exchange.connection in connections
            and exchange.connection not in self._ended
            and key not in self._given_up
            and len(self._replayed.exchanges[key].answers) < _awaited(exchange)
        ]

    # --- the client

    async def _open(self, step: RecordedEvent, nursery: trio.Nursery) -> None:
        stream = await _dialled(self._world, self._simulator, step.server)
        self._streams[step.connection] = stream
        self._note(step, What.OPEN)
        nursery.start_soon(self._receive, step, stream)

    async def _send(self, step: RecordedEvent) -> None:
        self._note(step, What.REQUEST, step.frame)
        data = len(step.frame).to_bytes(LENGTH_BYTES, "big") + step.frame
        with suppress(trio.BrokenResourceError):  # the end is noted where it is read
            await self._streams[step.connection].send_all(data)

    async def _end(self, step: RecordedEvent) -> None:
        if step.connection in self._with_news:
            await trio.sleep(SETTLE_S)
            self._zero += SETTLE_S
        self._note(step, step.what)
        stream = self._streams[step.connection]
        if step.what is not What.CLIENT_FIN:
            reset_virtual(stream)
            self._ended.add(step.connection)
            return
        with suppress(trio.BrokenResourceError):
            await stream.send_eof()

    async def _receive(self, opened: RecordedEvent, stream: trio.abc.ReceiveStream) -> None:
        """Note what the simulator sends, to the end of the connection."""
        reader, end = FrameReader(RESPONSE_BYTES_MIN), What.SERVER_FIN
        try:
            while data := await stream.receive_some():
                for frame in reader.feed(bytes(data)):
                    self._note(opened, What.ANSWER, frame)
        except trio.BrokenResourceError:
            end = What.SERVER_RESET
        except WireError:
            pass  # nothing behind a wrong length can be read
        except trio.ClosedResourceError:
            return  # the client has reset it
        self._ended.add(opened.connection)
        self._note(opened, end)

    def _note(self, step: RecordedEvent, what: What, frame: bytes = b"") -> None:
        at = trio.current_time() - self._began
        event = RecordedEvent(at, step.connection, step.server, what, frame)
        self.events.append(event)
        self._replayed.add(event)
        self._arrived.unpark_all()

    # --- beside the client

    async def _act_beside(self, step: Beside) -> None:
        if step.create is not None:
            await create_topic(self._world, self._simulator, step.create)
        if step.delete is not None:
            self._simulator.delete_topic(step.delete)
        if step.produce is not None:
            wanted = step.produce
            await _produce(
                self._world, self._simulator, wanted.topic, wanted.partition, wanted.records
            )


def _awaited(exchange: RecordedExchange) -> int:
    """Return how many answers the replay waits for before the client goes on."""
    answers = len(exchange.answers)
    return min(answers, 1) if exchange.api is WATCH else answers


# --- the cluster


async def create_topic(world: World, simulator: Simulator, topic: TopicSetup) -> None:
    """Create a topic with its leaders and its records."""
    replicas = Computed(partitions=len(topic.partitions), replication_factor=topic.replicas)
    simulator.cluster.create_topic(topic.name, TopicSpec(replicas=replicas))
    for index, partition in enumerate(topic.partitions):
        found = simulator.cluster.partition(topic.name, index)
        assert found is not None
        if found.leader != partition.leader:
            simulator.move_leader(topic.name, index, partition.leader)
        await _produce(world, simulator, topic.name, index, partition.records)


async def _produce(
    world: World, simulator: Simulator, topic: str, partition: int, records: Sequence[KeyAndValue]
) -> None:
    """Produce records on a connection of its own, each in a batch of its own."""
    found = simulator.cluster.partition(topic, partition)
    assert found is not None
    async with await _dialled(world, simulator, f"spu{found.leader}") as stream:
        client = ClientConnection("beside")
        client.welcome(await _call(stream, client, client.hello()))
        version = client.version_of(PRODUCE)
        for key, value in records:
            now_ms = world.now_ns() // 1_000_000
            record = encode_record(None if key is None else key.encode(), value.encode(), 0, 0)
            batch = encode_batch([record], first_timestamp_ms=now_ms, max_timestamp_ms=now_ms)
            entry = PartitionRecords(partition_index=partition, records=batch)
            request = ProduceRequest(topics=[TopicRecords(name=topic, partitions=[entry])])
            await _call(stream, client, client.request(PRODUCE, request, version)[1])


async def _call(stream: trio.abc.Stream, client: ClientConnection, frame: bytes) -> bytes:
    """Send a request and return the body of its answer."""
    await stream.send_all(frame)
    while data := await stream.receive_some():
        for _, body in client.receive(bytes(data)):
            return body
    raise EOFError("the simulator closed the connection of a setup")


async def _dialled(world: World, simulator: Simulator, server: str) -> trio.abc.HalfCloseableStream:
    """Connect to a server by its name in a recording."""
    if server == "sc":
        address = simulator.address
    else:
        address = simulator.spu_addresses[int(server.removeprefix("spu"))]
    stream = await world.dial(*parse_address(address))
    assert isinstance(stream, trio.abc.HalfCloseableStream)
    return stream
