"""Create, on the SC.

Served: versions 15 to 19, topics. Emulated, after ``fluvio-sc``, ``public_api/topic/create.rs``:
the checks in their order, ``dry_run``, and news to the watches before the answer. Any other object
is answered with Other("unknown admin object type"). Left out: mirror topics, SmartModules, and the
wait for partitions to come online (they are online at once); a topic with more replicas than SPUs
is answered with TopicNotProvisioned at once, which a real SC says after 90 s.
"""

from simulator.cluster.cluster import ClusterError
from simulator.handlers.codes import INJECTED, CodeOfAnswer
from simulator.handlers.context import Context
from simulator.handlers.served_api import ServedApi, register_api
from wire.api import CREATE
from wire.api.admin import CreateRequest, CreateTopic, Status
from wire.api.envelope import TOPIC
from wire.error_code import ErrorCode, Other


def handle(request: CreateRequest, context: Context) -> Status:
    """Create a topic; on failure the status has the error code.

    Raises:
        WireError: the body of the envelope is not what its label says.
    """
    if request.object.label != TOPIC:
        return unknown_type()
    create = request.object.open(CreateTopic, context.version)
    try:
        if create.dry_run:
            context.cluster.check_topic(create.name, create.spec)
        else:
            context.cluster.create_topic(create.name, create.spec)
    except ClusterError as error:
        return Status(name=create.name, error_code=error.code, error_message=error.text)
    return Status(name=create.name)


def refused_create(request: CreateRequest, version: int, code: ErrorCode) -> Status:
    """Return a status with the code, and create nothing.

    Raises:
        WireError: the body of the envelope is not what its label says.
    """
    known = request.object.label == TOPIC
    name = request.object.open(CreateTopic, version).name if known else ""
    return Status(name=name, error_code=code, error_message=INJECTED)


def unknown_type() -> Status:
    """Return the status of a real SC for an object that cannot be created or deleted."""
    return Status(name="create error", error_code=Other(text="unknown admin object type"))


register_api(ServedApi(api=CREATE, handle=handle, codes=CodeOfAnswer(refused_create)))
