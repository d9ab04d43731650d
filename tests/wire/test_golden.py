"""The anchor: frames that the official client 0.21.0 really sent, and worked examples in bytes.

``tests/golden/official-client-0.21.0.jsonl`` was captured from the unmodified wheel. The worked
examples were accepted by official clients or are test vectors of the Rust sources.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from wire.api import (
    API_VERSIONS,
    APIS,
    CREATE,
    DELETE,
    FETCH,
    LIST,
    PRODUCE,
    WATCH,
    Api,
)
from wire.api.admin import CreateTopic, DeleteTopic, ListFilter, WatchOptions
from wire.api.objects import Partition, SpuUpdate, Topic
from wire.api.produce import READ_UNCOMMITTED
from wire.api.storage import SegmentCleanup, TopicCompression, TopicStorage
from wire.api.topic import Computed
from wire.codec import decode, decode_from, encode
from wire.error_code import Code, ErrorCode, OffsetEvicted, Other, PartitionFull, RequestTimedOut
from wire.framing import RequestHeader, request_frame, response_frame

GOLDEN = Path(__file__).parent.parent / "golden" / "official-client-0.21.0.jsonl"
BY_KEY = {
    (server, api.key): api
    for server in ("sc", "spu")
    for api in APIS.values()
    if api.server in (server, "any")
}

BATCH = (
    "0000000000000000 0000003d ffffffff 02 af7dd96c 0000 00000000"
    "0000018bcfe56800 0000018bcfe56800 ffffffffffffffff ffff ffffffff"
    "00000001 16 00 00 00 00 0a 68656c6c6f 00"
)


def golden() -> list[tuple[Api[Any, Any], bytes]]:
    captured = [json.loads(line) for line in GOLDEN.read_text().splitlines()]
    known = [c for c in captured if (c["server"], c["api_key"]) in BY_KEY]
    return [(BY_KEY[c["server"], c["api_key"]], bytes.fromhex(c["frame"])) for c in known]


def unframe(frame: bytes) -> bytes:
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    return frame[4:]


def request_in(api: Api[Any, Any], frame: bytes) -> tuple[RequestHeader, Any]:
    payload = unframe(frame)
    header, position = decode_from(RequestHeader, payload, 0, 0)
    request, end = decode_from(api.request, payload, position, header.api_version)
    assert end == len(payload)
    assert header.api_key == api.key
    return header, request


def response_in(api: Api[Any, Any], frame: bytes, version: int) -> Any:
    payload = unframe(frame)
    response, end = decode_from(api.response, payload, 4, version)
    assert end == len(payload)
    return response


def test_the_captures_hold_every_api_that_a_producer_and_an_admin_use() -> None:
    names = Counter(api.name for api, _ in golden())
    assert names.total() == 64
    assert {"api-versions", "watch", "list", "create", "delete", "produce"} < set(names)


@pytest.mark.parametrize(("api", "frame"), golden(), ids=lambda p: getattr(p, "name", ""))
def test_a_captured_request_encodes_to_the_same_bytes(api: Api[Any, Any], frame: bytes) -> None:
    header, request = request_in(api, frame)
    assert request_frame(header, request) == frame


REQUESTS = [
    (
        API_VERSIONS,
        "00000027 0012 0002 00000001 0006 666c7576696f"
        "0006 302e35302e32  0005 6c696e7578  0006 7838365f3634",
    ),
    (WATCH, "00000021 03ec 0013 00000001 0005 64756d6d79 0003 535055 00000009 0000000000000000 00"),
    (
        CREATE,
        "00000032 03e9 0013 00000006 0006 666c7576696f 0005 546f706963 00000017"
        "0004 6e657774 00 00   01 00000001 00000001 01   00 00 04 00 00",
    ),
    (
        DELETE,
        "00000022 03ea 0013 00000009 0006 666c7576696f 0005 546f706963 00000007 0004 6e657774 00",
    ),
    (
        LIST,
        "00000021 03eb 0013 00000004 0006 666c7576696f 0005 546f706963 00000006 00000000 00 00",
    ),
    (
        PRODUCE,
        "0000007f 0000 0019 00000001 0006 666c7576696f 00 0001 000005dc"
        "00000001 0009 6772656574696e6773 00000001 00000000 00000049" + BATCH + "00000000",
    ),
    (
        PRODUCE,
        "0000002e 0000 0018 00000002 0006 666c7576696f 00 0001 000005dc"
        "00000001 0009 6772656574696e6773 00000000 00000000",
    ),
    (
        FETCH,
        "00000050 0001 0019 00000009 0006 666c7576696f 00000000 00000001 00100000 00"
        "00000001 0009 6772656574696e6773 00000001"
        "00000000 00000000 0000000000000000 0000000000000000 00100000  00000000",
    ),
]


@pytest.mark.parametrize(("api", "text"), REQUESTS, ids=lambda part: getattr(part, "name", ""))
def test_a_worked_request_encodes_to_the_same_bytes(api: Api[Any, Any], text: str) -> None:
    frame = bytes.fromhex(text)
    header, request = request_in(api, frame)
    assert request_frame(header, request) == frame


PRODUCED = "00000001 0009 6772656574696e6773 00000001 00000000"

RESPONSES = [
    (
        API_VERSIONS,
        2,
        "00000036 00000001 0000 00000006 03e9 0009 0013   03ea 0001 0013   03eb 000f 0013"
        "03ec 000f 0013   03ed 000e 0013   03ee 0001 0013 0006 302e31382e31",
    ),
    (
        API_VERSIONS,
        2,
        "0000002f 00000001 0000 00000005 0000 0000 0019 0001 0000 0019 03ea 0019 0019"
        "03eb 0000 0019 03ed 0000 0000 0005 302e302e30",
    ),
    (
        WATCH,
        19,
        "00000058 00000001 0003 535055  0000004b 0000000000000001 00000000 00000001"
        "000f 637573746f6d2d7370752d35303031 00001389 01"
        "4a42 00000001 01 0009 3132372e302e302e31 00 00 2333 0009 3132372e302e302e31 00 00 00 00",
    ),
    (CREATE, 19, "0000000d 00000006 0004 6e657774 0000 00"),
    (DELETE, 19, "00000018 0000000a 0004 6e6f7065 07d1 01 0009 6e6f7420666f756e64"),
    (
        PRODUCE,
        25,
        "00000039 00000001" + PRODUCED + "0000 000000000000002a 0000000000000000"
        "0000000000000000 00000000",
    ),
    (
        PRODUCE,
        25,
        "00000042 00000001" + PRODUCED + "0007 00000000000005dc 00 000000000000002a"
        "0000000000000000 0000000000000000 00000000",
    ),
    (PRODUCE, 24, "0000001b 00000002 00000001 0009 6772656574696e6773 00000000 00000000"),
    (
        FETCH,
        25,
        "0000008d 00000009 00000000 0000 00000000 00000001 0009 6772656574696e6773 00000001"
        "00000000 0000 0000000000000001 0000000000000000 0000000000000000 00 00000049" + BATCH,
    ),
]


@pytest.mark.parametrize(
    ("api", "version", "text"), RESPONSES, ids=lambda part: getattr(part, "name", "")
)
def test_a_worked_response_encodes_to_the_same_bytes(
    api: Api[Any, Any], version: int, text: str
) -> None:
    frame = bytes.fromhex(text)
    response = response_in(api, frame, version)
    correlation_id = int.from_bytes(frame[4:8], "big")
    assert response_frame(correlation_id, response, version) == frame


def test_the_fields_of_a_produce_request_are_where_the_reference_has_them() -> None:
    _, request = request_in(PRODUCE, bytes.fromhex(REQUESTS[5][1]))
    assert request.transactional_id is None
    assert request.acks == READ_UNCOMMITTED
    assert request.timeout_ms == 1500
    (topic,) = request.topics
    (entry,) = topic.partitions
    assert (topic.name, entry.partition_index) == ("greetings", 0)
    assert bytes(entry.records) == bytes.fromhex(BATCH)


def test_the_fields_of_a_produce_response_are_where_the_reference_has_them() -> None:
    (_, version, text) = RESPONSES[6]
    response = response_in(PRODUCE, bytes.fromhex(text), version)
    (result,) = response.topics[0].partitions
    assert result.error_code == RequestTimedOut(timeout_ms=1500)
    assert result.base_offset == 42


def test_a_captured_topic_spec_has_the_values_that_the_client_was_given() -> None:
    frame = next(frame for api, frame in golden() if b"spec-topic" in frame)
    _, request = request_in(CREATE, frame)
    create = request.object.open(CreateTopic, 19)
    assert create.name == "spec-topic"
    assert create.spec.replicas == Computed(
        partitions=3, replication_factor=1, ignore_rack_assignment=True
    )
    assert create.spec.cleanup_policy == SegmentCleanup(time_in_seconds=7200)
    assert create.spec.storage == TopicStorage(
        segment_size=2_000_000, max_partition_size=16_000_000
    )
    assert create.spec.compression is TopicCompression.ANY


@pytest.mark.parametrize(
    ("api", "body"), [(WATCH, WatchOptions), (DELETE, DeleteTopic), (LIST, ListFilter)]
)
def test_what_stands_in_a_captured_envelope_encodes_to_the_same_bytes(
    api: Api[Any, Any], body: type
) -> None:
    requests = [request_in(known, frame) for known, frame in golden() if known is api]
    assert requests
    for header, request in requests:
        opened = request.object.open(body, header.api_version)
        assert encode(opened, header.api_version) == request.object.body


@pytest.mark.parametrize(
    ("cls", "text"),
    [
        (
            Partition,
            "000b 6772656574696e67732d30 00001389 00000001 00001389  00 00 04 00 00 00"
            "01 00001389 0000000000000000 0000000000000000 00000000 00000000 00000000000004d2"
            "00 0000000000000000",
        ),
        (
            Topic,
            "0009 6772656574696e6773 01 00000001 00000001 00  00 00 04 00 00"
            "04 0001 00000000 00000001 00001389 0000 0000",
        ),
    ],
)
def test_a_worked_object_encodes_to_the_same_bytes(cls: type, text: str) -> None:
    data = bytes.fromhex(text)
    value: object
    value, end = decode_from(cls, data, 0, 19)
    assert end == len(data)
    assert encode(value, 19) == data


def test_the_worked_watch_answer_tells_where_the_spu_is() -> None:
    (_, _, text) = RESPONSES[2]
    answer = response_in(WATCH, bytes.fromhex(text), 19)
    assert answer.object.label == "SPU"
    (spu,) = answer.object.open(SpuUpdate, 19).all
    served_api = spu.spec.public_endpoint
    assert (spu.name, spu.spec.id) == ("custom-spu-5001", 5001)
    assert (served_api.ingress[0].hostname, served_api.port) == ("127.0.0.1", 19010)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Code.NOT_LEADER_FOR_PARTITION, "0006"),
        (Code.UNKNOWN_SERVER_ERROR, "ffff"),
        (Other(text="boom"), "0002 0004 626f6f6d"),
        (
            PartitionFull(topic="greetings", partition=0),
            "0048 0009 6772656574696e6773 00000000",
        ),
        (OffsetEvicted(offset=3, next_available=10), "0047 0000000000000003 000000000000000a"),
        (RequestTimedOut(timeout_ms=1500), "0007 00000000000005dc 00"),
    ],
)
def test_an_error_code_is_a_tag_with_its_fields(error: ErrorCode, text: str) -> None:
    result = PRODUCE.response(topics=[])
    assert encode(result, 25).hex() == "0000000000000000"
    versions = API_VERSIONS.response(error_code=error, api_keys=[], platform_version="")
    encoded = encode(versions, 2)
    assert encoded == bytes.fromhex(text + "00000000 0000")
    assert decode(API_VERSIONS.response, encoded, 2).error_code == error
