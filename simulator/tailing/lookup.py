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


async def leaders_of(
    sc: TailConnection, topic: str, wanted: Collection[int]
) -> dict[Address, list[int]]:
    """Return the partitions to follow, by the address of their leader.

    Args:
        sc: a connection to the SC.
        topic: the name of the topic.
        wanted: the partitions; empty for all.

    Raises:
        TailError: the topic or a partition does not exist, or a partition has no leader.
    """
    topics = [each.name for each in (await _listed(sc, TOPIC, Topics)).objects]
    if topic not in topics:
        known = hint(topic, topics) if topics else "; create it"
        raise TailError(f"the topic {shown(topic)} does not exist{known}")
    # A partition is named after its topic; topics have dashes too.
    partitions = {
        int(index): each
        for each in (await _listed(sc, PARTITION, Partitions)).objects
        for name, _, index in [each.name.rpartition("-")]
        if name == topic and index.isdecimal()
    }
    missing = sorted(set(wanted) - set(partitions))
    if missing:
        raise TailError(
            f"{topic} has no partition {missing[0]}; it has {_range(sorted(partitions))}"
        )
    spus = {each.spec.id: each for each in (await _listed(sc, SPU, Spus)).objects}
    leaders: dict[Address, list[int]] = {}
    for index in sorted(wanted or partitions):
        leaders.setdefault(_address_of(partitions[index], spus), []).append(index)
    if not leaders:
        raise TailError(f"{topic} has no partition yet; run tail again in a moment")
    return leaders


async def _listed(sc: TailConnection, label: str, cls: type[M]) -> M:
    version = sc.version_of(LIST)
    everything: Any = seal(label, ListFilter(), version)
    response = await sc.call(LIST, ListRequest(object=everything))
    try:
        return response.object.open(cls, version)
    except WireError as error:
        raise TailError(f"{sc.name} does not speak Fluvio as tail does: {error}") from error


def _address_of(partition: Partition, spus: dict[int, Spu]) -> Address:
    """Return where the leader of a partition listens for clients."""
    leader = spus.get(partition.spec.leader)
    if leader is None or leader.status.resolution is not SpuResolution.ONLINE:
        raise TailError(
            f"partition {partition.name} has no leader that is online;"
            " run tail again once its SPU serves"
        )
    endpoint = leader.spec.public_endpoint
    host = next((each.hostname or each.ip for each in endpoint.ingress), None)
    if not host:
        raise TailError(f"SPU {leader.spec.id} has no public address; configure one in the cluster")
    return Address(unbracketed(host), endpoint.port)


def _range(indexes: list[int]) -> str:
    if not indexes:
        return "none yet"
    return f"{indexes[0]} to {indexes[-1]}" if len(indexes) > 1 else f"{indexes[0]} alone"
