"""Both halves of a connection against each other, over bytes that arrive in any pieces."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.connection_pair import SC, SPU, ConnectionPair
from tests.wire.strategies import messages
from wire.api import API_VERSIONS, FETCH, PRODUCE, Api
from wire.api.api_versions import ApiVersionRange, ApiVersionsRequest, ApiVersionsResponse
from wire.api.produce import (
    PartitionRecords,
    PartitionResult,
    ProduceRequest,
    ProduceResponse,
    TopicRecords,
    TopicResult,
)
from wire.codec import WireError, decode, encode
from wire.connection import CLIENT_VERSION, ClientConnection, RequestFrame, ServerConnection
from wire.framing import FRAME_BYTES_MAX, RequestHeader, response_frame

OFFER = ApiVersionsResponse(
    api_keys=[ApiVersionRange(api_key=PRODUCE.key, min_version=0, max_version=20)],
    platform_version="0.18.1",
)


def asking(payload: bytes) -> ProduceRequest:
    records = bytes(8) + (45 + len(payload)).to_bytes(4, "big") + bytes(45) + payload
    entry = PartitionRecords(partition_index=0, records=records)
    return ProduceRequest(topics=[TopicRecords(name="greetings", partitions=[entry])])


def answering(offset: int) -> ProduceResponse:
    result = PartitionResult(partition_index=0, base_offset=offset)
    return ProduceResponse(topics=[TopicResult(name="greetings", partitions=[result])])


def greeted() -> ConnectionPair:
    pair = ConnectionPair()
    (hello,) = pair.to_server(pair.client.hello())
    assert isinstance(hello.decode(), ApiVersionsRequest)
    ((_, body),) = pair.to_client(pair.server.response(hello.header, OFFER))
    pair.client.welcome(body)
    return pair


def test_a_greeting_and_an_exchange_from_end_to_end() -> None:
    pair = ConnectionPair(client_id="me")
    (hello,) = pair.to_server(pair.client.hello())
    assert (hello.api, hello.header.client_id, hello.header.correlation_id) == (
        API_VERSIONS,
        "me",
        1,
    )
    assert hello.decode().client_version == CLIENT_VERSION
    ((number, body),) = pair.to_client(pair.server.response(hello.header, OFFER))
    assert number == 1
    assert pair.client.welcome(body) == OFFER
    version = pair.client.version_of(PRODUCE)
    number, data = pair.client.request(PRODUCE, asking(b"records"), version)
    (request,) = pair.to_server(data)
    assert request.size == len(data)
    assert request.decode() == asking(b"records")
    answers = pair.to_client(pair.server.response(request.header, answering(7)))
    assert answers == [(number, answers[0][1])]
    assert decode(PRODUCE.response, answers[0][1], version) == answering(7)


def exchanges(pair: ConnectionPair, count: int = 3) -> tuple[list[bytes], list[bytes]]:
    """Requests as they leave the client, and an answer to each, in another order."""
    asked = [pair.client.request(PRODUCE, asking(bytes(n)), 20)[1] for n in range(count)]
    frames = ConnectionPair().to_server(b"".join(asked))
    answered = [pair.server.response(f.header, answering(n)) for n, f in enumerate(frames)]
    return asked, answered[::-1]


def test_every_split_of_the_bytes_in_two_gives_the_same() -> None:
    asked, answered = exchanges(greeted())
    requests, answers = b"".join(asked), b"".join(answered)
    for cut in range(len(requests) + 1):
        frames = greeted().to_server(requests, [cut])
        assert [frame.decode() for frame in frames] == [asking(bytes(n)) for n in range(3)]
        assert [frame.header.correlation_id for frame in frames] == [1, 2, 3]
        assert [frame.size for frame in frames] == [len(data) for data in asked]
    for cut in range(len(answers) + 1):
        found = greeted().to_client(answers, [cut])
        assert [number for number, _ in found] == [3, 2, 1]
        assert [decode(PRODUCE.response, body, 20) for _, body in found] == [
            answering(n) for n in (2, 1, 0)
        ]


def test_byte_by_byte_a_request_comes_out_with_its_last_byte_and_not_before() -> None:
    asked, _ = exchanges(greeted())
    server = ServerConnection(SPU)
    for number, data in enumerate(asked):
        for byte in data[:-1]:
            assert server.frames.missing > 0
            assert list(server.receive(bytes([byte]))) == []
        assert server.frames.missing == 1
        (frame,) = server.receive(data[-1:])
        assert frame.decode() == asking(bytes(number))


APIS: list[Api[Any, Any]] = list({**SC, **SPU}.values())


@given(st.data())
def test_any_message_of_any_api_arrives_in_any_pieces(data: st.DataObject) -> None:
    api = data.draw(st.sampled_from(APIS), label="api")
    version = data.draw(st.integers(api.min_version, api.max_version), label="version")
    request = data.draw(messages(api.request, version), label="request")
    response = data.draw(messages(api.response, version), label="response")
    pair = ConnectionPair({api.key: api})
    number, sent = pair.client.request(api, request, version)
    cuts = data.draw(st.lists(st.integers(0, len(sent)), max_size=6), label="cuts")
    (frame,) = pair.to_server(sent, cuts)
    assert frame.header == RequestHeader(
        api_key=api.key, api_version=version, correlation_id=number, client_id="test"
    )
    assert frame.decode() == request
    answer = pair.server.response(frame.header, response)
    ((answered, body),) = pair.to_client(
        answer, data.draw(st.lists(st.integers(0, len(answer)), max_size=6), label="cuts back")
    )
    assert answered == number
    assert decode(api.response, body, version) == response


def raw(api_key: int, body: bytes = b"", version: int = 20) -> bytes:
    """A request whose body is any bytes."""
    header = RequestHeader(api_key=api_key, api_version=version, correlation_id=9, client_id="test")
    payload = encode(header, 0) + body
    return len(payload).to_bytes(4, "big") + payload


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x00\x00\x00\x09" + bytes(9), "a frame of 9 bytes"),
        ((FRAME_BYTES_MAX + 1).to_bytes(4, "big"), f"a frame of {FRAME_BYTES_MAX + 1} bytes"),
        (b"\x00\x00\x00\x0a" + bytes(8) + b"\x00\x01", "RequestHeader at version 0"),
        (raw(4711), "unknown api key 4711"),
        (raw(FETCH.key + 1), "unknown api key 2"),
    ],
)
def test_what_is_no_request_is_an_error_behind_the_requests_before_it(
    data: bytes, why: str
) -> None:
    asked, _ = exchanges(greeted(), 2)
    found: list[RequestFrame] = []
    with pytest.raises(WireError, match=why):
        found.extend(ServerConnection(SPU).receive(b"".join(asked) + data))
    assert [frame.decode() for frame in found] == [asking(b""), asking(b"\x00")]


def test_a_body_that_does_not_decode_raises_when_it_is_decoded() -> None:
    (frame,) = ServerConnection(SPU).receive(raw(PRODUCE.key, b"\x02"))
    assert (frame.api, frame.header.correlation_id) == (PRODUCE, 9)
    with pytest.raises(WireError, match="2 instead of 0"):
        frame.decode()


def test_equal_requests_that_clients_repeat_share_their_body_and_no_others() -> None:
    hello = ClientConnection("one").hello(), ClientConnection("other").hello()
    one, other = (ServerConnection(SPU).receive(data) for data in hello)
    assert next(one).decode() is next(other).decode()
    data = exchanges(greeted(), 1)[0][0]
    one, other = (ServerConnection(SPU).receive(data) for _ in range(2))
    assert next(one).decode() is not next(other).decode()


def test_a_body_is_decoded_at_the_version_in_its_header() -> None:
    (frame,) = ServerConnection(SPU).receive(raw(PRODUCE.key, b"", 7))
    assert frame.api is PRODUCE
    with pytest.raises(WireError, match="ProduceRequest at version 7"):
        frame.decode()


def test_an_answer_that_no_frame_holds_is_an_error() -> None:
    server = ServerConnection(SPU)
    header = RequestHeader(api_key=0, api_version=20, correlation_id=3, client_id="test")
    with pytest.raises(WireError, match="too large"):
        server.response(header, answering(2**63))
    assert server.response(header, answering(1)) == response_frame(3, answering(1), 20)
