"""List, on the SC.

Served: versions 15 to 19; topics, partitions, SPUs, custom SPUs (every SPU is one), SmartModules.
Emulated, after ``fluvio-sc/src/services/public_api/list.rs``: name filters match any part of a
name, and without filters all objects are listed; ``system`` selects only system objects, or only
the others; partitions ignore the name filters, and those of SmartModules are whole names, with
group and version or without; ``summary`` leaves out the code of SmartModules. The list is empty for
types that the simulator does not have; a label that Fluvio does not know closes the connection.
Different on purpose: objects are listed in the order of their creation, a real SC lists them in any
order. Left out: authorization.
"""

from typing import Any

from simulator.cluster.cluster import Cluster, Topic
from simulator.cluster.metadata import (
    custom_spu_object,
    partition_object,
    spu_object,
    topic_object,
)
from simulator.cluster.smartmodules import summarized
from simulator.handlers.context import Context
from simulator.handlers.served_api import ServedApi, register_api
from simulator.handlers.smartmodules import key_of
from wire.api import LIST
from wire.api.admin import ListFilter, ListRequest, ListResponse
from wire.api.envelope import (
    CUSTOM_SPU,
    MIRROR,
    PARTITION,
    SMART_MODULE,
    SPU,
    SPU_GROUP,
    TABLE_FORMAT,
    TOPIC,
    seal,
)
from wire.api.objects import CustomSpus, Partitions, SmartModules, Spus, Topics
from wire.codec import WireError, decode_repeated

EMPTY_LABELS = frozenset((SPU_GROUP, TABLE_FORMAT, MIRROR))
"""The types of objects of which the simulator has none."""


def handle(request: ListRequest, context: Context) -> ListResponse:
    """List the objects of the type that the label names.

    Raises:
        WireError: the label is unknown, the body does not decode, or the name of a SmartModule has
            a version that is none.
    """
    label, cluster = request.object.label, context.cluster
    asked = decode_repeated(ListFilter, request.object.body, context.version)
    names = [name_filter.name for name_filter in asked.name_filters]

    def wanted(name: str) -> bool:
        return not names or any(part in name for part in names)

    def selected(topic: Topic) -> bool:
        return topic.spec.system == asked.system

    found: Any
    if label == TOPIC:
        topics = [t for t in cluster.topics.values() if selected(t) and wanted(t.name)]
        found = Topics(objects=[topic_object(cluster, topic) for topic in topics])
    elif label == PARTITION:
        partitions = [p for p in cluster.partitions() if selected(p.topic)]
        found = Partitions(objects=[partition_object(cluster, p) for p in partitions])
    elif label == SPU:
        spus = [spu_object(cluster, spu) for spu in cluster.spus]
        found = Spus(objects=[spu for spu in spus if wanted(spu.name)])
    elif label == CUSTOM_SPU:
        custom = [custom_spu_object(cluster, spu) for spu in cluster.spus]
        found = CustomSpus(objects=[spu for spu in custom if wanted(spu.name)])
    elif label == SMART_MODULE:
        found = _smartmodules(cluster, asked)
    elif label in EMPTY_LABELS:
        found = Topics(objects=[])
    else:
        raise WireError(f"unknown object type {label!r}")
    return ListResponse(object=seal(label, found, context.version))


def _smartmodules(cluster: Cluster, asked: ListFilter) -> SmartModules:
    keys = [key_of(name_filter.name) for name_filter in asked.name_filters]
    found = [
        module
        for module in cluster.smartmodules.values()
        if not keys or any(key.matches(module) for key in keys)
    ]
    return SmartModules(objects=[summarized(m) for m in found] if asked.summary else found)


register_api(ServedApi(api=LIST, handle=handle))
