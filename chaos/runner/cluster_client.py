"""A small client of a real cluster: topics and partitions from its SC, records from its SPUs.

It connects to the cluster itself, not to the proxy, with a connection for each call.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self, TypeVar

import trio

from chaos.history import Unreadable
from simulator.proxying.rewriting import FoundSpu, found_spu
from simulator.proxying.upstream import UnreachableError, Upstream, UpstreamStream
from wire.api import CREATE, DELETE, FETCH, LIST, UPDATE, Api
from wire.api.admin import (
    CreateRequest,
    CreateTopic,
    DeleteRequest,
    DeleteTopic,
    ListFilter,
    ListRequest,
    PartitionsToAdd,
    Status,
    UpdateRequest,
    UpdateTopic,
)
from wire.api.envelope import PARTITION, SPU, TOPIC, seal
from wire.api.fetch import FetchedPartition, FetchPartition, FetchRequest, FetchTopic
from wire.api.objects import Partitions, Spus, Topics
from wire.api.partition import PartitionResolution
from wire.api.topic import Computed, TopicSpec
from wire.batch import Record, decode_batch
from wire.codec import WireError, decode
from wire.connection import ClientConnection
from wire.error_code import Code
from wire.record_set import whole_batches

CLIENT_ID = "spu-chaos"

ANSWER_S = 100.0
"""The time for an answer, in seconds: a real SC takes up to 90 s for a topic that cannot be
provisioned."""

FETCH_BYTES = 8 * 1024 * 1024
"""The bytes of one fetch; more than a batch of an official producer. A batch that is longer is read
with a larger fetch."""

STILL_S = 0.5
"""How long the end of a log must stand still to be its end, in seconds: longer than the pause
between two reports of an SPU to the SC."""

Q = TypeVar("Q")
R = TypeVar("R")


class ClusterRefusedError(Exception):
    """The cluster refused what the harness needs; the text says what."""


class ClusterClient:
    """A client of one cluster.

    Args:
        upstream: the cluster.
    """

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    # --- topics

    async def create(self, topic: str, partitions: int) -> bool:
        """Create a topic; return False if one of that name exists.

        Raises:
            ClusterRefusedError: the cluster refuses.
        """
        replicas = Computed(partitions=partitions, replication_factor=1)
        wanted = CreateTopic(name=topic, spec=TopicSpec(replicas=replicas))
        async with _Connection(self._upstream) as sc:
            version = sc.version_of(CREATE)
            request = CreateRequest(object=seal(TOPIC, wanted, version))
            status = await sc.call(CREATE, request)
        if status.error_code == Code.TOPIC_ALREADY_EXISTS:
            return False
        _check(status, f"create {topic}")
        return True

    async def delete(self, topic: str) -> None:
        """Delete a topic.

        Raises:
            ClusterRefusedError: the cluster refuses.
        """
        async with _Connection(self._upstream) as sc:
            named = seal(TOPIC, DeleteTopic(name=topic), sc.version_of(DELETE))
            _check(await sc.call(DELETE, DeleteRequest(object=named)), f"delete {topic}")

    async def add_partitions(self, topic: str, count: int) -> None:
        """Add partitions to a topic.

        Raises:
            ClusterRefusedError: the cluster refuses.
        """
        change = UpdateTopic(name=topic, action=PartitionsToAdd(count=count))
        async with _Connection(self._upstream) as sc:
            sealed = seal(TOPIC, change, sc.version_of(UPDATE))
            _check(await sc.call(UPDATE, UpdateRequest(object=sealed)), f"update {topic}")

    async def topics(self, prefix: str) -> list[str]:
        """Return the names of the topics that begin with a prefix."""
        listed = await self._listed(TOPIC, Topics)
        return sorted(each.name for each in listed.objects if each.name.startswith(prefix))

    async def leaders(self, topic: str) -> dict[int, int]:
        """Return the id of the SPU that leads each partition of a topic that is online."""
        listed = await self._listed(PARTITION, Partitions)
        found = {}
        for each in listed.objects:
            name, _, index = each.name.rpartition("-")
            if name == topic and each.status.resolution is PartitionResolution.ONLINE:
                found[int(index)] = each.spec.leader
        return dict(sorted(found.items()))

    async def _listed(self, label: str, body: type[R]) -> R:
        async with _Connection(self._upstream) as sc:
            version = sc.version_of(LIST)
            request = ListRequest(object=seal(label, ListFilter(), version))
            return (await sc.call(LIST, request)).object.open(body, version)

    # --- records

    async def read(
        self, topic: str, incarnation: int
    ) -> tuple[dict[int, Sequence[Record]], list[Unreadable]]:
        """Read each partition of a topic to its end, until the end stands still.

        Args:
            topic: the name of the topic.
            incarnation: the number of the topic's life, for batches that do not decode.

        Returns:
            The records by partition, and the batches that do not decode.
        """
        leaders = await self.leaders(topic)
        spus = {each.id: each for each in map(found_spu, (await self._listed(SPU, Spus)).objects)}
        logs: dict[int, Sequence[Record]] = {}
        unreadable: list[Unreadable] = []
        for partition, leader in leaders.items():
            log = _Log(topic, partition, incarnation)
            async with _Connection(self._upstream, _spu(spus, leader)) as spu:
                still_since = trio.current_time()
                while trio.current_time() < still_since + STILL_S:
                    if await log.read_on(spu):
                        still_since = trio.current_time()
                    else:
                        await trio.sleep(STILL_S / 5)
            logs[partition] = log.records
            unreadable += log.unreadable
        return logs, unreadable


def _spu(spus: Mapping[int, FoundSpu], spu_id: int) -> FoundSpu:
    found = spus.get(spu_id)
    if found is None or found.public is None:
        raise ClusterRefusedError(f"the cluster tells no address of SPU {spu_id}")
    return found


def _check(status: Status, what: str) -> None:
    if status.error_code != Code.NONE:
        why = status.error_message or str(status.error_code)
        raise ClusterRefusedError(f"the cluster does not {what}: {why}")


class _Log:
    """One partition as far as it was read."""

    def __init__(self, topic: str, partition: int, incarnation: int) -> None:
        self._topic = topic
        self._partition = partition
        self._incarnation = incarnation
        self._next = 0
        self._bytes = FETCH_BYTES
        self.records: list[Record] = []
        self.unreadable: list[Unreadable] = []

    async def read_on(self, spu: "_Connection") -> bool:
        """Read further whole batches; return whether there was something to read."""
        asked = FetchPartition(
            partition_index=self._partition, fetch_offset=self._next, max_bytes=self._bytes
        )
        request = FetchRequest(
            max_bytes=self._bytes, topics=[FetchTopic(name=self._topic, partitions=[asked])]
        )
        fetched: FetchedPartition = (await spu.call(FETCH, request)).topics[0].partitions[0]
        if fetched.error_code != Code.NONE:
            raise ClusterRefusedError(f"{self._topic}/{self._partition}: {fetched.error_code}")
        before = self._next
        for header, batch in whole_batches(fetched.records):
            end = header.base_offset + header.record_count
            if end > self._next:
                self._take(bytes(batch), header.base_offset, end)
                self._next = end
        if self._next == before and fetched.records:
            self._bytes *= 2  # a batch is longer than what was fetched of it
        return bool(fetched.records)

    def _take(self, batch: bytes, base: int, end: int) -> None:
        """Keep the records of a batch, or note that it does not decode."""
        try:
            self.records += decode_batch(batch)[1]
        except WireError as error:
            self.unreadable.append(
                Unreadable(self._partition, base, end - base, str(error), self._incarnation)
            )


class _Connection:
    """A greeted connection to a server, closed with its block."""

    def __init__(self, upstream: Upstream, spu: FoundSpu | None = None) -> None:
        self._upstream = upstream
        self._spu = spu
        self._wire = ClientConnection(CLIENT_ID)
        self._stream: UpstreamStream

    async def __aenter__(self) -> Self:
        try:
            if self._spu is None:
                self._stream = await self._upstream.connect(self._upstream.sc)
            else:
                assert self._spu.public is not None
                self._stream = await self._upstream.connect(self._spu.public, self._spu.name)
        except UnreachableError as error:
            raise ClusterRefusedError(f"the cluster cannot be connected to: {error}") from error
        try:
            await self._send(self._wire.hello())
            self._wire.welcome((await self._answer())[1])
        except BaseException:
            await self._stream.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stream.close()

    def version_of(self, api: Api[Q, R]) -> int:
        """Return the highest version of an API that both sides support."""
        return self._wire.version_of(api)

    async def call(self, api: Api[Q, R], body: Q) -> R:
        """Send a request and return its response."""
        version = self.version_of(api)
        _, frame = self._wire.request(api, body, version)
        await self._send(frame)
        return decode(api.response, (await self._answer())[1], version)

    async def _send(self, frame: bytes) -> None:
        await self._stream.stream.send_all(frame)

    async def _answer(self) -> tuple[int, bytes]:
        with trio.fail_after(ANSWER_S):
            while True:
                data: Any = await self._stream.stream.receive_some()
                if not data:
                    raise ClusterRefusedError("the cluster closed a connection of the harness")
                for answer in self._wire.receive(bytes(data)):
                    return answer
