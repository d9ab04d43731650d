import pytest

from wire.api import API_VERSIONS, LIST, PRODUCE
from wire.api.api_versions import ApiVersionRange, ApiVersionsResponse
from wire.api.produce import ProduceRequest
from wire.codec import WireError, decode_from, encode
from wire.connection import CORRELATION_ID_MAX, ClientConnection
from wire.framing import RequestHeader, response_frame


def header_of(frame: bytes) -> RequestHeader:
    return decode_from(RequestHeader, frame[4:], 0, 0)[0]


def offering(*offers: tuple[int, int, int]) -> ClientConnection:
    connection = ClientConnection()
    keys = [ApiVersionRange(api_key=k, min_version=a, max_version=b) for k, a, b in offers]
    connection.welcome(encode(ApiVersionsResponse(api_keys=keys, platform_version="0.18.1"), 2))
    return connection


def test_the_first_request_is_what_the_official_client_sends() -> None:
    captured = (
        "0000002700120002000000010006666c7576696f0006302e31352e3200056c696e757800067838365f3634"
    )
    assert ClientConnection().hello().hex() == captured


def test_the_counter_of_requests_starts_at_one_behind_api_versions() -> None:
    connection = ClientConnection("me")
    assert header_of(connection.hello()).correlation_id == 1
    for expected in (1, 2, 3):
        correlation_id, frame = connection.request(PRODUCE, ProduceRequest(topics=[]), 25)
        assert correlation_id == expected
        assert header_of(frame) == RequestHeader(
            api_key=0, api_version=25, correlation_id=expected, client_id="me"
        )


def test_the_counter_starts_again_where_an_i32_ends() -> None:
    connection = ClientConnection()
    connection._next_id = CORRELATION_ID_MAX
    ids = [connection.request(PRODUCE, ProduceRequest(topics=[]), 25)[0] for _ in range(2)]
    assert ids == [CORRELATION_ID_MAX, 1]


@pytest.mark.parametrize(
    ("lowest", "highest", "expected"), [(0, 25, 25), (8, 20, 20), (8, 99, 25), (25, 25, 25)]
)
def test_the_version_is_the_highest_that_both_sides_have(
    lowest: int, highest: int, expected: int
) -> None:
    assert offering((0, lowest, highest)).version_of(PRODUCE) == expected


@pytest.mark.parametrize(("lowest", "highest"), [(0, 14), (20, 30)])
def test_no_common_version_is_an_error_that_names_both_ranges(lowest: int, highest: int) -> None:
    expected = f"list: here 15 to 19, the server offers {lowest} to {highest}"
    with pytest.raises(WireError, match=expected):
        offering((LIST.key, lowest, highest)).version_of(LIST)


def test_an_api_that_is_not_offered_is_an_error() -> None:
    with pytest.raises(WireError, match=r"no common version of list: .* the server offers nothing"):
        offering((0, 0, 25)).version_of(LIST)


def test_each_connection_negotiates_with_its_own_server() -> None:
    old, new, same = offering((0, 0, 7)), offering((0, 0, 25)), offering((0, 0, 7))
    for _ in range(2):
        assert [each.version_of(PRODUCE) for each in (old, new, same)] == [7, 25, 7]
        with pytest.raises(WireError, match="the server offers nothing"):
            old.version_of(LIST)
    with pytest.raises(WireError, match="the server offers nothing"):
        ClientConnection().version_of(PRODUCE)


def test_a_version_or_a_client_id_that_does_not_fit_is_refused() -> None:
    with pytest.raises(WireError, match="RequestHeader"):
        ClientConnection().request(PRODUCE, ProduceRequest(topics=[]), 1 << 15)
    with pytest.raises(WireError, match="a string of 32768 bytes"):
        ClientConnection("x" * 32768).request(PRODUCE, ProduceRequest(topics=[]), 25)


def test_answers_come_out_with_their_correlation_ids_in_the_order_of_arrival() -> None:
    answer = API_VERSIONS.response(api_keys=[], platform_version="1.0.0")
    stream = response_frame(7, answer, 2) + response_frame(-1, answer, 2)
    connection = ClientConnection()
    found = [*connection.receive(stream[:5]), *connection.receive(stream[5:])]
    assert found == [(7, encode(answer, 2)), (-1, encode(answer, 2))]
