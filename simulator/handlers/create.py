"""Create, on the SC.

Served: versions 11 to 19; topics, SmartModules. Emulated, after ``fluvio-sc``,
``public_api/topic/create.rs``: the checks in their order and words, ``dry_run``, news of each step
to the watches, and the wait for the partitions: the answer comes when all of them are online, or
after 90 s with TopicNotProvisioned. The topic exists then all the same; one with more replicas than
there are SPUs has InsufficientResources and no partitions until it is deleted. Other requests of
the connection wait. A SmartModule replaces one of its name, and ``dry_run`` is ignored; one with a
package is stored under the name of that, and the status names it so. Its code is not looked at. Any
other object is answered with Other("unknown admin object type"). Different on purpose: partitions
go to the SPUs in turn, from SPU 0 on for each topic, so that runs can be compared; a real SC places
them by load. Left out: mirror topics, versions 9 and 10.
"""

from collections.abc import Generator
from typing import TypeAlias

from simulator.cluster.cluster import ClusterError, Topic
from simulator.cluster.topic_specs import partition_count
from simulator.handlers.codes import INJECTED, CodeOfAnswer
from simulator.handlers.context import Context, WaitUntil
from simulator.handlers.served_api import ServedApi, register_api
from wire.api import CREATE
from wire.api.admin import CreateRequest, CreateSmartModule, CreateTopic, Status
from wire.api.envelope import SMART_MODULE, TOPIC
from wire.codec import WireError
from wire.error_code import Code, ErrorCode, Other
from wire.semver import is_semver

REPORT_INTERVAL_S = 0.4
"""How often an SPU reports its partitions to the SC (``fluvio-spu``, ``dispatcher.rs``)."""


_Waiting: TypeAlias = Generator[WaitUntil, object, Status]


def handle(request: CreateRequest, context: Context) -> Status | _Waiting:
    """Create a topic or a SmartModule; on failure the status has the error code.

    Raises:
        WireError: the body of the envelope is not what its label says.
    """
    if request.object.label == SMART_MODULE:
        return _store_smartmodule(request.object.open(CreateSmartModule, context.version), context)
    if request.object.label != TOPIC:
        return unknown_type()
    create = request.object.open(CreateTopic, context.version)
    try:
        if create.dry_run:
            context.cluster.check_topic(create.name, create.spec)
            return Status(name=create.name)
        topic = context.cluster.create_topic(create.name, create.spec)
    except ClusterError as error:
        return _refused(create.name, error)
    wanted = partition_count(create.spec)
    if context.cluster.online_partitions(topic) == wanted:
        return Status(name=create.name)
    return _until_online(topic, wanted, context)


def _store_smartmodule(create: CreateSmartModule, context: Context) -> Status:
    package = create.spec.meta and create.spec.meta.package
    if package and not (is_semver(package.version) and is_semver(package.api_version)):
        raise WireError(f"a version of the package {package.name[:40]!r} is not semver")
    try:
        module = context.cluster.store_smartmodule(create.name, create.spec)
    except ClusterError as error:
        return _refused(create.name, error)
    return Status(name=module.name)


def _refused(name: str, error: ClusterError) -> Status:
    about = name if error.about is None else error.about
    return Status(name=about, error_code=error.code, error_message=error.text)


def _until_online(topic: Topic, wanted: int, context: Context) -> _Waiting:
    """Wait until all partitions are online, and say so; or say how many are after the wait."""
    cluster, until = context.cluster, context.now
    end = until + cluster.topic_wait_s
    while (online := cluster.online_partitions(topic)) < wanted and until < end:
        until = min(until + REPORT_INTERVAL_S, end)
        yield WaitUntil(until)
    if online == wanted:
        return Status(name=topic.name)
    why = f"only {online} out of {wanted} provisioned"
    return Status(name=topic.name, error_code=Code.TOPIC_NOT_PROVISIONED, error_message=why)


def refused_create(request: CreateRequest, version: int, code: ErrorCode) -> Status:
    """Return a status with the code, and create nothing.

    Raises:
        WireError: the body of the envelope is not what its label says.
    """
    bodies = {TOPIC: CreateTopic, SMART_MODULE: CreateSmartModule}
    body = bodies.get(request.object.label)
    name = "" if body is None else request.object.open(body, version).name
    return Status(name=name, error_code=code, error_message=INJECTED)


def unknown_type() -> Status:
    """Return the status of a real SC for an object that cannot be created or deleted."""
    return Status(name="create error", error_code=Other(text="unknown admin object type"))


register_api(ServedApi(api=CREATE, handle=handle, codes=CodeOfAnswer(refused_create)))
