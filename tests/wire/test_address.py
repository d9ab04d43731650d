import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.address import PORT_MAX, SC_PORT, Address, bracketed, parse_address, unbracketed


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("example.org", "example.org", SC_PORT),
        ("example.org:1", "example.org", 1),
        ("127.0.0.1:65535", "127.0.0.1", PORT_MAX),
        ("::1", "::1", SC_PORT),
        ("[::1]", "::1", SC_PORT),
        ("[::1]:9004", "::1", 9004),
        ("[fe80::1%eth0]:9004", "fe80::1%eth0", 9004),
        ("fe80::1:9003", "fe80::1:9003", SC_PORT),
    ],
)
def test_an_address_is_a_host_or_a_host_and_a_port(text: str, host: str, port: int) -> None:
    assert parse_address(text) == Address(host, port)


@pytest.mark.parametrize(
    "text",
    [
        *("", ":9003", "host:", "host:x", "host:0", "host:65536", "host:-1", "host: 1", "host:1\n"),
        *("host:٣", "a b:1", "1:2:3", "::1:x", "[::1", "[::1]9003", "[::1]:", "[::1]:0", "[]:1"),
        "host:" + "9" * 5000,
        *("[host]:1", "::1]:9003", "http://host:9003", "//host"),
    ],
)
def test_what_is_no_address_is_told_what_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an address; write HOST:PORT .* \[::1\]:9003$"):
        parse_address(text)


def test_another_port_can_stand_in_for_one_that_is_not_named() -> None:
    assert parse_address("::1", default_port=5) == Address("::1", 5)


@given(st.sampled_from(["host", "10.0.0.1", "::1", "2001:db8::7"]), st.integers(1, PORT_MAX))
def test_an_address_is_read_back_from_its_text(host: str, port: int) -> None:
    assert parse_address(str(Address(host, port))) == Address(host, port)


@pytest.mark.parametrize("host", ["host", "::1"])
def test_brackets_come_and_go_without_a_trace(host: str) -> None:
    assert unbracketed(bracketed(bracketed(host))) == host
