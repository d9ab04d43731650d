"""Delete, on the SC.

Served: versions 15 to 19, topics. Emulated: an unknown topic, a system topic without ``force``,
news to the watches before the answer (``fluvio-sc``, ``public_api/topic/delete.rs``). Any other
object is answered with Other("unknown admin object type"). Left out: all objects except topics.
"""

from simulator.cluster.cluster import ClusterError
from simulator.handlers.codes import INJECTED, CodeOfAnswer
from simulator.handlers.context import Context
from simulator.handlers.create import unknown_type
from simulator.handlers.served_api import ServedApi, register_api
from wire.api import DELETE
from wire.api.admin import DeleteRequest, DeleteTopic, Status
from wire.api.envelope import TOPIC
from wire.error_code import ErrorCode


def handle(request: DeleteRequest, context: Context) -> Status:
    """Delete a topic; on failure the status has the error code.

    Raises:
        WireError: the body of the envelope is not what its label says.
    """
    if request.object.label != TOPIC:
        return unknown_type()
    delete = request.object.open(DeleteTopic, context.version)
    try:
        context.cluster.delete_topic(delete.name, force=delete.force)
    except ClusterError as error:
        return Status(name=delete.name, error_code=error.code, error_message=error.text)
    return Status(name=delete.name)


def refused_delete(request: DeleteRequest, version: int, code: ErrorCode) -> Status:
    """Return a status with the code, and delete nothing.

    Raises:
        WireError: the body of the envelope is not what its label says.
    """
    known = request.object.label == TOPIC
    name = request.object.open(DeleteTopic, version).name if known else ""
    return Status(name=name, error_code=code, error_message=INJECTED)


register_api(ServedApi(api=DELETE, handle=handle, codes=CodeOfAnswer(refused_delete)))
