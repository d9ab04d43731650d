"""Watch, on the SC.

Served: versions 15 to 19; topics, partitions, SPUs, SmartModules; several watches on one connection
up to a limit. Emulated, after ``fluvio-sc/src/services/public_api/watch.rs``: the first response is
sent immediately and holds all objects; later responses, with the same correlation id, hold changes;
a deleted object has its last state. System objects are included; each type has an epoch of its own.
When an SPU stops or starts, the news of the SPU come first, then those of its partitions in many
responses, each when the partition is served. A watch of custom SPUs or mirrors closes the
connection; one of a type of which the simulator has no objects stays silent. With ``summary`` the
code of SmartModules is left out, but for deleted ones.

Different on purpose: news is sent when topics, leaders or SPUs change, not when a log grows. A real
SPU reports every 400 ms how far the logs are that grew since its last report, and the SC sends each
report on. No client acts on those figures, and a frame to each client for each busy partition every
400 ms would slow down every simulated second and shift the ordinals of faults that strike a watch.
A list and the first answer to a watch have the figures of their moment.
"""

from collections.abc import Callable, Iterable
from typing import Any

from simulator.cluster.cluster import Cluster, Partition, Spu, Thing, Topic
from simulator.cluster.metadata import partition_object, spu_object, topic_object
from simulator.cluster.smartmodules import summarized
from simulator.handlers.context import Context
from simulator.handlers.served_api import ServedApi, register_api
from wire.api import WATCH, objects
from wire.api.admin import WatchOptions, WatchRequest, WatchResponse
from wire.api.envelope import PARTITION, SMART_MODULE, SPU, SPU_GROUP, TABLE_FORMAT, TOPIC, seal
from wire.codec import WireError, decode_repeated

WATCHES_MAX = 100
"""The maximum number of watches on one connection; each of them gets its own copy of all news. The
official client opens six."""


_SILENT = (SPU_GROUP, TABLE_FORMAT)
"""The types that can be watched and of which the simulator has no objects."""


def handle(request: WatchRequest, context: Context) -> WatchResponse:
    """Return all objects of the requested type, and subscribe the client to news.

    Raises:
        WireError: the label is unknown, the body does not decode, or there are too many watches.
    """
    label, version, cluster = request.object.label, context.version, context.cluster
    summary = decode_repeated(WatchOptions, request.object.body, version).summary
    if label not in _FAMILIES and label not in _SILENT:
        raise WireError(f"no watch of type {label!r}")
    if len(context.held.at_close) >= WATCHES_MAX:
        raise WireError(f"more than {WATCHES_MAX} watches on one connection")
    if label in _SILENT:
        empty = objects.TopicUpdate(epoch=0)
        return WatchResponse(object=seal(label, empty, version))
    family = _FAMILIES[label]

    def tell(things: list[Thing], gone: bool) -> None:
        if isinstance(things[0], family.thing):
            news = cluster.latest_news
            if (label, version, summary) not in news:
                # Encoded once for all watches: the encoding of many partitions is slow.
                update = family.changes(cluster, things, gone, summary=summary)
                news[label, version, summary] = WatchResponse(object=seal(label, update, version))
            context.push(news[label, version, summary])

    context.held.at_close.append(cluster.subscribe(tell))
    return WatchResponse(object=seal(label, family.everything(cluster, summary=summary), version))


class _Family:
    """One type of object: how to find all its objects, and the messages that hold them."""

    def __init__(
        self,
        thing: type[Thing],
        find: Callable[[Cluster], Iterable[Any]],
        describe: Callable[[Cluster, Any], Any],
        change: type[Any],
        update: type[Any],
        summarize: Callable[[Any], Any] = lambda described: described,
    ) -> None:
        self.thing = thing
        self._find = find
        self._describe = describe
        self._change = change
        self._update = update
        self._summarize = summarize

    def everything(self, cluster: Cluster, *, summary: bool) -> Any:
        """Return an update with all objects."""
        things = [self._describe(cluster, thing) for thing in self._find(cluster)]
        if summary:
            things = [self._summarize(thing) for thing in things]
        return self._update(epoch=cluster.epochs[self.thing], all=things)

    def changes(self, cluster: Cluster, things: list[Thing], gone: bool, *, summary: bool) -> Any:
        """Return an update with the changed objects."""
        kind = objects.ChangeKind.DELETE if gone else objects.ChangeKind.UPDATE
        contents = [self._describe(cluster, thing) for thing in things]
        if summary and not gone:
            contents = [self._summarize(content) for content in contents]
        news = [self._change(kind=kind, content=content) for content in contents]
        return self._update(epoch=cluster.epochs[self.thing], changes=news)


_FAMILIES = {
    TOPIC: _Family(
        Topic,
        lambda cluster: cluster.topics.values(),
        topic_object,
        objects.TopicChange,
        objects.TopicUpdate,
    ),
    PARTITION: _Family(
        Partition,
        Cluster.partitions,
        partition_object,
        objects.PartitionChange,
        objects.PartitionUpdate,
    ),
    SPU: _Family(
        Spu, lambda cluster: cluster.spus, spu_object, objects.SpuChange, objects.SpuUpdate
    ),
    SMART_MODULE: _Family(
        objects.SmartModule,
        lambda cluster: cluster.smartmodules.values(),
        lambda _cluster, module: module,
        objects.SmartModuleChange,
        objects.SmartModuleUpdate,
        summarized,
    ),
}


register_api(ServedApi(api=WATCH, handle=handle))
