"""The SC's APIs: Create (1001), Delete (1002) and Update (1006) as of version 11, List (1003) and
Watch (1004) as of version 15.

Source: ``crates/fluvio-sc-schema/src/objects/``. Each body is in an ``Envelope`` whose label names
the type of object; the responses of List and Watch have an envelope with the same label. Below
version 11 there was no envelope. An SC still offers Create as of version 9, Delete and Update as of
version 1; this project does not implement them.
"""

from typing import Annotated

from wire.api.api import Api
from wire.api.envelope import Envelope
from wire.api.smartmodule_spec import SmartModuleSpec
from wire.api.topic import TopicSpec
from wire.codec.message import message, since
from wire.codec.types import Fixed, i64, u32
from wire.error_code import Code, ErrorCode


@message
class CreateRequest:
    """Create the object in the envelope: a ``CreateTopic`` under the label Topic, or a
    ``CreateSmartModule`` under the label SmartModule."""

    object: Envelope


@message
class CreateTopic:
    """A topic to create; with ``dry_run`` the SC only checks it."""

    name: str
    dry_run: bool = False
    timeout_ms: u32 | None = since(7, default=None)
    spec: TopicSpec


@message
class CreateSmartModule:
    """A SmartModule to store; an SC ignores ``dry_run``."""

    name: str
    dry_run: bool = False
    timeout_ms: u32 | None = since(7, default=None)
    spec: SmartModuleSpec


@message
class DeleteRequest:
    """Delete the object in the envelope: a ``DeleteTopic`` under the label Topic, or under that of
    another type whose objects are deleted by name."""

    object: Envelope


@message
class DeleteTopic:
    """A topic to delete, or an object of another type; a system topic requires ``force``."""

    name: str
    force: bool = since(13, default=False)


@message
class UpdateRequest:
    """Change the object in the envelope: an ``UpdateTopic`` under the label Topic. Objects of other
    types cannot be changed."""

    object: Envelope


@message(tag=0)
class PartitionsToAdd:
    """Add so many partitions to the topic, whose partitions the SC assigns."""

    count: u32


@message(tag=1)
class MirrorToAdd:
    """Add a partition that mirrors a remote cluster to the topic, which is a mirror topic."""

    remote_cluster: str
    home_to_mirror: bool


@message
class UpdateTopic:
    """A topic and what to change in it."""

    name: str
    action: Annotated[PartitionsToAdd | MirrorToAdd, Fixed("B")]


@message
class Status:
    """The result of a Create, a Delete or an Update; on success the code is NONE and the message
    None."""

    name: str
    error_code: ErrorCode = Code.NONE
    error_message: str | None = None


@message
class ListRequest:
    """List objects: a ``ListFilter`` under the label of the type to list."""

    object: Envelope


@message
class NameFilter:
    """Selects objects whose name contains this text."""

    name: str


@message
class ListFilter:
    """Without a filter, all objects are listed. ``system`` selects only system objects if true, and
    only other objects if false."""

    name_filters: list[NameFilter] = since(default_factory=list)
    summary: bool = since(10, default=False)
    system: bool = since(13, default=False)


@message
class ListResponse:
    """``Topics``, ``Partitions``, ``Spus``, ``CustomSpus`` or ``SmartModules``, under the label of
    the request."""

    object: Envelope


@message
class WatchRequest:
    """Watch objects: ``WatchOptions`` under the label of the type to watch."""

    object: Envelope


@message
class WatchOptions:
    """The options of a watch. An SC ignores the epoch; with ``summary`` it leaves out the code of
    SmartModules."""

    epoch: i64 = 0
    summary: bool = since(10, default=False)


@message
class WatchResponse:
    """One of an unlimited number of responses with the same correlation id: a ``TopicUpdate``,
    ``PartitionUpdate``, ``SpuUpdate`` or ``SmartModuleUpdate`` under the label of the request."""

    object: Envelope


CREATE = Api(
    "create", 1001, 11, 19, CreateRequest, Status, server="sc", known_from=11, has_code=True
)
DELETE = Api(
    "delete", 1002, 11, 19, DeleteRequest, Status, server="sc", known_from=11, has_code=True
)
LIST = Api("list", 1003, 15, 19, ListRequest, ListResponse, server="sc", repeats=True)
WATCH = Api("watch", 1004, 15, 19, WatchRequest, WatchResponse, server="sc", repeats=True)
UPDATE = Api(
    "update", 1006, 11, 19, UpdateRequest, Status, server="sc", known_from=11, has_code=True
)
