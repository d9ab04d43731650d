"""UpdateOffsets, on the SPU: a consumer says from where its streams continue.

Served: version 0. Emulated, after ``fluvio-spu/src/services/public/offset_update.rs``: one status
for each stream of the request; FetchSessionNotFound for a stream that the connection does not have.
The records follow as a response to the request that opened the stream.
"""

from simulator.handlers.context import Context
from simulator.handlers.served_api import ServedApi, register_api
from wire.api import UPDATE_OFFSETS
from wire.api.stream_fetch import (
    OffsetUpdateStatus,
    UpdateOffsetsRequest,
    UpdateOffsetsResponse,
)
from wire.error_code import Code


def handle(request: UpdateOffsetsRequest, context: Context) -> UpdateOffsetsResponse:
    """Continue every stream of the request, and return whether it exists."""
    status = []
    for update in request.offsets:
        stream = context.held.streams.get(update.session_id)
        code = Code.NONE if stream is not None else Code.FETCH_SESSION_NOT_FOUD
        if stream is not None:
            stream.consumed(update.offset)
        status.append(OffsetUpdateStatus(session_id=update.session_id, error_code=code))
    return UpdateOffsetsResponse(status=status)


register_api(ServedApi(api=UPDATE_OFFSETS, handle=handle))
