"""Answers as trees of fields, which two answers are compared by.

A tree is a mapping from names to values and further trees. Objects of the SC stand under their
names and not at their positions, since an SC lists them in any order; objects of topics that are
not the session's are left out, as are the offsets of their consumers. Stored batches become
records under their positions, so that neither their sizes nor their compression count.

News of a watch become what a client knows in the end: each object as the last frame that names it
describes it. Pushes of a stream become one row of records, wherever they were cut.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias

from wire.api import FETCH_CONSUMER_OFFSETS, LIST, WATCH, Api, objects
from wire.api.api_versions import ApiVersionRange
from wire.api.envelope import PARTITION, SMART_MODULE, SPU, TOPIC, Envelope
from wire.api.fetch import FetchedPartition
from wire.batch import BASE_OFFSET_BYTES, HEADER, PREAMBLE_BYTES, decode_batch
from wire.codec import WireError, decode
from wire.codec.types import Buffer

Leaf: TypeAlias = str | int | bytes | list[Any] | None
Tree: TypeAlias = Mapping[str, "Tree | Leaf"]

STREAMS = frozenset(("stream-fetch",))
"""The APIs whose answers are pushes: many to one request, cut anywhere. Watch is none of them: its
first answer is compared by itself."""

LISTS: Mapping[str, type[Any]] = {
    TOPIC: objects.Topics,
    PARTITION: objects.Partitions,
    SPU: objects.Spus,
    SMART_MODULE: objects.SmartModules,
}
"""The messages of a list, by label."""

UPDATES: Mapping[str, type[Any]] = {
    TOPIC: objects.TopicUpdate,
    PARTITION: objects.PartitionUpdate,
    SPU: objects.SpuUpdate,
    SMART_MODULE: objects.SmartModuleUpdate,
}
"""The messages of a watch, by label."""

Own = Callable[[str, str], bool]
"""Whether an object belongs to a session, by its label and its name."""


def belongs_to(topics: Iterable[str]) -> Own:
    """Return what selects the objects of some topics, and all that are no topic or partition."""
    names = frozenset(topics)

    def own(label: str, name: str) -> bool:
        if label == TOPIC:
            return name in names
        return label != PARTITION or name.rpartition("-")[0] in names

    return own


def answer_tree(api: Api[Any, Any], version: int, body: bytes, own: Own) -> Tree:
    """Return the fields of one answer.

    Raises:
        WireError: it does not decode.
    """
    message = decode(api.response, body, version)
    if api is FETCH_CONSUMER_OFFSETS:
        message.consumers = [c for c in message.consumers if own(TOPIC, c.replica.topic)]
    if api is LIST:
        return _list_tree(message.object, version, own)
    return _watch_tree(message.object, version, own) if api is WATCH else _tree(message)


def final_state(version: int, bodies: Sequence[bytes], own: Own) -> Tree:
    """Return the objects as a watch has described them in the end, by label and name.

    An object that was deleted has its last state and the kind DELETE. News of a type that this
    project does not know stand under their positions.

    Raises:
        WireError: an answer does not decode.
    """
    known: dict[str, dict[str, Tree | Leaf]] = {}
    for position, body in enumerate(bodies):
        envelope = decode(WATCH.response, body, version).object
        objects_of = known.setdefault(envelope.label, {})
        if envelope.label not in UPDATES:
            objects_of[str(position)] = envelope.body
            continue
        update = envelope.open(UPDATES[envelope.label], version)
        if update.all:
            objects_of.clear()
        for thing in update.all:
            objects_of[thing.name] = {"kind": "UPDATE", **_tree(thing)}
        for change in update.changes:
            objects_of[change.content.name] = {"kind": change.kind.name, **_tree(change.content)}
    return {
        label: {name: tree for name, tree in things.items() if own(label, name)}
        for label, things in known.items()
    }


def row_of_records(api: Api[Any, Any], version: int, bodies: Sequence[bytes]) -> Tree:
    """Return the records of all pushes of a stream as one row, and the other fields of the last.

    Raises:
        WireError: a push does not decode.
    """
    last: Tree = {}
    records: list[Tree | Leaf] = []
    for body in bodies:
        message = decode(api.response, body, version)
        for fetched in _fetched_partitions(message):
            records += _records(fetched.records)[0]
            fetched.records = b""
        last = _tree(message)
    return {"last": last, "records": _by_position(records)}


def _list_tree(envelope: Envelope, version: int, own: Own) -> Tree:
    label = envelope.label
    if label not in LISTS:
        return {"label": label, "body": envelope.body}
    listed = envelope.open(LISTS[label], version).objects
    return {"label": label, label: _named(listed, label, own)}


def _watch_tree(envelope: Envelope, version: int, own: Own) -> Tree:
    label = envelope.label
    if label not in UPDATES:
        return {"label": label, "body": envelope.body}
    update = envelope.open(UPDATES[label], version)
    known = _named(update.all, label, own)
    known |= _named((change.content for change in update.changes), label, own)
    return {"label": label, "epoch": update.epoch, label: known}


def _named(things: Iterable[Any], label: str, own: Own) -> dict[str, Tree | Leaf]:
    return {thing.name: _tree(thing) for thing in things if own(label, thing.name)}


def _by_position(items: Iterable["Tree | Leaf"]) -> dict[str, "Tree | Leaf"]:
    return {str(position): item for position, item in enumerate(items)}


def _tree(message: Any) -> dict[str, "Tree | Leaf"]:
    found: dict[str, Tree | Leaf] = {}
    for field in dataclasses.fields(message):
        value = getattr(message, field.name)
        if isinstance(message, FetchedPartition) and field.name == "records":
            records, rest = _records(value)
            found |= {"records": _by_position(records), "cut_off_bytes": rest}
        else:
            found[field.name] = _value(value)
    return found


def _value(value: Any) -> "Tree | Leaf":
    if isinstance(value, Enum):
        return value.name
    if dataclasses.is_dataclass(value):
        return _tree(value)
    if isinstance(value, dict):
        return {str(key): _value(item) for key, item in value.items()}
    if isinstance(value, memoryview):
        return bytes(value)
    if not isinstance(value, list):
        return value  # type: ignore[no-any-return]  # what is left are numbers, text and bytes
    if value and isinstance(value[0], ApiVersionRange):
        return {str(item.api_key): _tree(item) for item in value}
    if value and dataclasses.is_dataclass(value[0]):
        return _by_position(map(_value, value))
    return [_value(item) for item in value]


def _records(record_set: Buffer) -> tuple[list["Tree | Leaf"], int]:
    """Return the records of whole batches, and how many bytes of a cut batch follow.

    The batches are cut apart here and not by ``wire``, which reads what is no row of whole batches
    as an SPU reads a request.
    """
    found: list[Tree | Leaf] = []
    view, start = memoryview(record_set), 0
    while len(view) - start >= HEADER.size:
        length = int.from_bytes(view[start + BASE_OFFSET_BYTES : start + PREAMBLE_BYTES], "big")
        end = start + PREAMBLE_BYTES + length
        if end > len(view):
            break
        try:
            found += map(_tree, decode_batch(view[start:end])[1])
        except WireError as error:
            found.append({"undecodable": str(error)})
        start = end
    return found, len(view) - start


def _fetched_partitions(message: Any) -> Iterable[FetchedPartition]:
    if isinstance(message, FetchedPartition):
        yield message
    elif dataclasses.is_dataclass(message):
        for field in dataclasses.fields(message):
            value = getattr(message, field.name)
            for item in value if isinstance(value, list) else [value]:
                yield from _fetched_partitions(item)
