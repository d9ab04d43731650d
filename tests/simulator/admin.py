"""Requests of an admin client, and a simulator to send them to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from simulator import Simulator, open_simulator
from tests.simulator.client import Client
from tests.simulator.memory import MemoryNetwork
from wire.api import WATCH
from wire.api.admin import (
    CreateRequest,
    CreateTopic,
    DeleteRequest,
    DeleteTopic,
    ListFilter,
    ListRequest,
    NameFilter,
    WatchOptions,
    WatchRequest,
)
from wire.api.envelope import TOPIC, Envelope, seal
from wire.api.topic import Computed, TopicSpec
from wire.codec import decode


@asynccontextmanager
async def simulated(network: MemoryNetwork, **options: Any) -> AsyncIterator[Simulator]:
    async with open_simulator(listen=network.listen, **options) as sim:
        yield sim


def envelope(label: str, body: Any, version: int = 19) -> Envelope:
    return seal(label, body, version)


def create(name: str, partitions: int = 1, *, dry_run: bool = False) -> CreateRequest:
    spec = TopicSpec(replicas=Computed(partitions=partitions, replication_factor=1))
    return CreateRequest(object=envelope(TOPIC, CreateTopic(name=name, dry_run=dry_run, spec=spec)))


def delete(name: str) -> DeleteRequest:
    return DeleteRequest(object=envelope(TOPIC, DeleteTopic(name=name)))


def watch(label: str, version: int = 19) -> WatchRequest:
    return WatchRequest(object=envelope(label, WatchOptions(), version))


def listing(label: str, *names: str, system: bool = False) -> ListRequest:
    filters = ListFilter(name_filters=[NameFilter(name=name) for name in names], system=system)
    return ListRequest(object=envelope(label, filters))


async def update(client: Client, cls: type[Any], version: int = 19) -> Any:
    """The next news on a connection with one watch."""
    _, body = await client.answer()
    return decode(WATCH.response, body, version).object.open(cls, version)
