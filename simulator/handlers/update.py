"""Update, on the SC.

Served: versions 11 to 19, topics. Emulated, after ``fluvio-sc``, ``public_api/update.rs`` and
``topic/update/``: partitions are added to a topic whose partitions the SC assigned, and the answer
does not wait until they are online; an unknown topic, a system topic, and a topic whose partitions
were assigned by hand are refused. There are no mirrors, so none is added: MirrorNotFound. Any other
object is answered with Other("unknown admin object type"). Different on purpose: the news of the
new partitions leave before the answer, and a topic without partitions, for which there are too few
SPUs, is refused with TopicError, as is one that would exceed the limit of the simulator. Left out:
versions 1 to 10.
"""

from simulator.cluster.cluster import ClusterError
from simulator.handlers.codes import INJECTED, CodeOfAnswer
from simulator.handlers.context import Context
from simulator.handlers.served_api import ServedApi, register_api
from wire.api import UPDATE
from wire.api.admin import MirrorToAdd, Status, UpdateRequest, UpdateTopic
from wire.api.envelope import TOPIC
from wire.error_code import Code, ErrorCode, Other


def handle(request: UpdateRequest, context: Context) -> Status:
    """Add partitions to a topic; on failure the status has the error code.

    Raises:
        WireError: the body of the envelope is not what its label says.
    """
    if request.object.label != TOPIC:
        return Status(name="update error", error_code=Other(text="unknown admin object type"))
    update, cluster = request.object.open(UpdateTopic, context.version), context.cluster
    try:
        if isinstance(update.action, MirrorToAdd):
            known = update.name in cluster.topics
            code = Code.MIRROR_NOT_FOUND if known else Code.TOPIC_NOT_FOUND
            raise ClusterError(code, "not found")
        cluster.add_partitions(update.name, update.action.count)
    except ClusterError as error:
        return Status(name=update.name, error_code=error.code, error_message=error.text)
    return Status(name=update.name)


def refused_update(request: UpdateRequest, version: int, code: ErrorCode) -> Status:
    """Return a status with the code, and change nothing.

    Raises:
        WireError: the body of the envelope is not what its label says.
    """
    known = request.object.label == TOPIC
    name = request.object.open(UpdateTopic, version).name if known else ""
    return Status(name=name, error_code=code, error_message=INJECTED)


register_api(ServedApi(api=UPDATE, handle=handle, codes=CodeOfAnswer(refused_update)))
