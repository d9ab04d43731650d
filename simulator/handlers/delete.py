"""Delete, on the SC.

Served: versions 11 to 19; topics, SmartModules. Emulated, after ``fluvio-sc``,
``public_api/topic/delete.rs`` and its neighbours: an unknown topic, a system topic without
``force``, news to the watches before the answer, a SmartModule under ``name`` or
``group/name@version``, and that an object of any type that the simulator has not is not found. Any
other label is answered with Other("unknown admin object type"). Left out: custom SPUs, versions 1
to 10.
"""

from simulator.cluster.cluster import ClusterError
from simulator.handlers.codes import INJECTED, CodeOfAnswer
from simulator.handlers.context import Context
from simulator.handlers.create import unknown_type
from simulator.handlers.served_api import ServedApi, register_api
from simulator.handlers.smartmodules import key_of
from wire.api import DELETE
from wire.api.admin import DeleteRequest, DeleteTopic, Status
from wire.api.envelope import MIRROR, SMART_MODULE, SPU_GROUP, TABLE_FORMAT, TOPIC
from wire.error_code import Code, ErrorCode, SmartModuleNotFound

_KNOWN = (TOPIC, SPU_GROUP, SMART_MODULE, TABLE_FORMAT, MIRROR)
"""The types whose objects are deleted by name."""


def handle(request: DeleteRequest, context: Context) -> Status:
    """Delete a topic or a SmartModule; on failure the status has the error code.

    Raises:
        WireError: the body of the envelope is not what its label says, or the name of a
            SmartModule has a version that is none.
    """
    label = request.object.label
    if label not in _KNOWN:
        return unknown_type()
    delete = request.object.open(DeleteTopic, context.version)
    try:
        if label == TOPIC:
            context.cluster.delete_topic(delete.name, force=delete.force)
        elif label != SMART_MODULE or not context.cluster.delete_smartmodule(key_of(delete.name)):
            return _not_found(label, delete.name)
    except ClusterError as error:
        return Status(name=delete.name, error_code=error.code, error_message=error.text)
    return Status(name=delete.name)


def _not_found(label: str, name: str) -> Status:
    """Return the status of an object that is not there."""
    codes: dict[str, ErrorCode] = {
        SPU_GROUP: Code.SPU_NOT_FOUND,
        SMART_MODULE: SmartModuleNotFound(name=name),
        TABLE_FORMAT: Code.TABLE_FORMAT_NOT_FOUND,
        MIRROR: Code.MIRROR_NOT_FOUND,
    }
    text = f'remote cluster "{name}" not found' if label == MIRROR else "not found"
    return Status(name=name, error_code=codes[label], error_message=text)


def refused_delete(request: DeleteRequest, version: int, code: ErrorCode) -> Status:
    """Return a status with the code, and delete nothing.

    Raises:
        WireError: the body of the envelope is not what its label says.
    """
    known = request.object.label in _KNOWN
    name = request.object.open(DeleteTopic, version).name if known else ""
    return Status(name=name, error_code=code, error_message=INJECTED)


register_api(ServedApi(api=DELETE, handle=handle, codes=CodeOfAnswer(refused_delete)))
