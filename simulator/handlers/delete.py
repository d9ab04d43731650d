"""Delete, on the SC.

Served: versions 15 to 19, topics. Emulated: an unknown topic, a system topic without ``force``,
news to the watches before the answer (``fluvio-sc``, ``public_api/topic/delete.rs``). Any other
object is answered with Other("unknown admin object type"). Left out: everything but topics.
"""

from simulator.cluster.cluster import ClusterError
from simulator.handlers.context import Context
from simulator.handlers.create import unknown_type
from wire.api.admin import DeleteRequest, DeleteTopic, Status
from wire.api.envelope import TOPIC


def handle(request: DeleteRequest, context: Context) -> Status:
    """Delete a topic, or say why not.

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
