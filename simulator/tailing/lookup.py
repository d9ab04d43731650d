"""What ``tail`` asks the SC: the partitions of a topic, and where their leaders listen."""

from collections.abc import Collection
from typing import Any, TypeVar

from simulator.documents.strict_model import hint, shown
from simulator.tailing.tail_connection import TailConnection, TailError
from wire.address import Address, unbracketed
from wire.api import LIST
from wire.api.admin import ListFilter, ListRequest
from wire.api.envelope import PARTITION, SPU, TOPIC, seal
from wire.api.objects import Partition, Partitions, Spu, Spus, Topics
from wire.api.spu import SpuResolution
from wire.codec import WireError

M = TypeVar("M")


class NoTopicError(TailError):
    """The SC has no such topic."""


async def leaders_of(
    sc: TailConnection, topic: str, *, system: bool = False
) -> dict[int, Address | None]:
    """Return the address of the leader of each partition of a topic, in their order.

    Args:
        sc: a connection to the SC.
        topic: the name of the topic.
        system: whether it is a system topic.

    Returns:
        The addresses by partition; None for a leader that is not online.

    Raises:
        NoTopicError: the topic does not exist.
        TailError: the SC does not answer, or an SPU has no address.
    """
    wanted = ListFilter(system=system)
    topics = [each.name for each in (await _listed(sc, TOPIC, Topics, wanted)).objects]
    if topic not in topics:
        known = hint(topic, topics).removeprefix("; ") if topics else "create it"
        raise NoTopicError(f"the topic {shown(topic)} does not exist", known)
    # A partition is named after its topic; topics have dashes too.
    partitions = {
        int(index): each
        for each in (await _listed(sc, PARTITION, Partitions, wanted)).objects
        for name, _, index in [each.name.rpartition("-")]
        if name == topic and index.isdecimal()
    }
    spus = {each.spec.id: each for each in (await _listed(sc, SPU, Spus, wanted)).objects}
    return {index: _address_of(partitions[index], spus) for index in sorted(partitions)}


def check_partitions(topic: str, found: Collection[int], wanted: Collection[int]) -> None:
    """Check that a topic has the partitions that are to be followed.

    Raises:
        TailError: it lacks one.
    """
    missing = sorted(set(wanted) - set(found))
    if missing:
        has = f"it has {_range(sorted(found))}"
        raise TailError(f"{topic} has no partition {missing[0]}", has)


async def _listed(sc: TailConnection, label: str, cls: type[M], wanted: ListFilter) -> M:
    version = sc.version_of(LIST)
    asked: Any = seal(label, wanted, version)
    response = await sc.call(LIST, ListRequest(object=asked))
    try:
        return response.object.open(cls, version)
    except WireError as error:
        raise TailError(f"{sc.name} does not speak Fluvio as tail does: {error}", "") from error


def _address_of(partition: Partition, spus: dict[int, Spu]) -> Address | None:
    """Return where the leader of a partition listens for clients; None if it is not online."""
    leader = spus.get(partition.spec.leader)
    if leader is None or leader.status.resolution is not SpuResolution.ONLINE:
        return None
    endpoint = leader.spec.public_endpoint
    host = next((each.hostname or each.ip for each in endpoint.ingress), None)
    if not host:
        raise TailError(
            f"SPU {leader.spec.id} has no public address", "configure one in the cluster"
        )
    return Address(unbracketed(host), endpoint.port)


def _range(indexes: list[int]) -> str:
    if not indexes:
        return "none yet"
    return f"{indexes[0]} to {indexes[-1]}" if len(indexes) > 1 else f"{indexes[0]} alone"
