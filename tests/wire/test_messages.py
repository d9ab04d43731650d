"""Every message at every version: round trips, a second opinion, truncation, foreign bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire import interpreter
from tests.wire.strategies import messages
from wire.api import APIS
from wire.api.admin import (
    CreateSmartModule,
    CreateTopic,
    DeleteTopic,
    ListFilter,
    UpdateTopic,
    WatchOptions,
)
from wire.api.objects import (
    CustomSpus,
    CustomSpuUpdate,
    Partitions,
    PartitionUpdate,
    SmartModules,
    SmartModuleUpdate,
    Spus,
    SpuUpdate,
    Topics,
    TopicUpdate,
)
from wire.codec import WireError, decode, decode_from, encode
from wire.codec.schema import Struct, thresholds
from wire.framing import RequestHeader

IN_ENVELOPES = (
    CreateTopic,
    DeleteTopic,
    UpdateTopic,
    CreateSmartModule,
    ListFilter,
    WatchOptions,
    Topics,
    Partitions,
    Spus,
    CustomSpus,
    TopicUpdate,
    PartitionUpdate,
    SpuUpdate,
    SmartModules,
    CustomSpuUpdate,
    SmartModuleUpdate,
)


def shapes(cls: type, lowest: int, highest: int) -> list[tuple[type, int]]:
    """One version of each shape that a message has; test_codec shows that the others share it."""
    bounds = [v for v in thresholds(cls) if lowest < v <= highest]
    return [(cls, version) for version in (lowest, *bounds)]


EVERY_SHAPE = [
    *(
        shape
        for api in APIS.values()
        for cls in (api.request, api.response)
        for shape in shapes(cls, api.min_version, api.max_version)
    ),
    *(shape for cls in IN_ENVELOPES for shape in shapes(cls, 11, 19)),
    (RequestHeader, 0),
]

each_shape = pytest.mark.parametrize(
    ("cls", "version"), EVERY_SHAPE, ids=lambda part: getattr(part, "__name__", f"v{part}")
)


@each_shape
@given(data=st.data())
def test_a_message_reads_back_as_itself_and_as_a_walk_over_its_declaration_reads_it(
    cls: type, version: int, data: st.DataObject
) -> None:
    message = data.draw(messages(cls, version))
    encoded = encode(message, version)
    assert decode(cls, encoded, version) == message
    assert encoded == interpreter.write(Struct(cls), message, version)
    reader = interpreter.Reader(encoded)
    assert interpreter.read(Struct(cls), reader, version) == message
    assert reader.position == len(encoded)


@each_shape
@given(data=st.data())
@settings(max_examples=5)
def test_a_message_cut_anywhere_is_a_wire_error(
    cls: type, version: int, data: st.DataObject
) -> None:
    encoded = encode(data.draw(messages(cls, version)), version)
    for length in range(len(encoded)):
        with pytest.raises(WireError):
            decode(cls, encoded[:length], version)


@each_shape
@given(data=st.data())
def test_a_message_with_a_few_wrong_bytes_is_another_message_or_a_wire_error(
    cls: type, version: int, data: st.DataObject
) -> None:
    encoded = bytearray(encode(data.draw(messages(cls, version)), version))
    if not encoded:
        return
    places = st.integers(0, len(encoded) - 1)
    for place, byte in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=4)):
        encoded[place] = byte
    message: object
    try:
        message, position = decode_from(cls, bytes(encoded), 0, version)
    except WireError:
        return
    # What was understood is a message like any other: it encodes, and reads back as itself.
    assert position <= len(encoded)
    assert decode(cls, encode(message, version), version) == message
