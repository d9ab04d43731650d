"""What clients send that is none of the protocol, or hardly anything."""

import re

import pytest
import trio
from trio.testing import MockClock

from simulator.events import ClosedBy, CloseReason, ConnectionClosed
from tests.simulator.admin import listing, simulated, watch
from tests.simulator.client import Client, batch, produce_request
from tests.simulator.memory import MemoryNetwork, dial
from wire.api import LIST, PRODUCE, WATCH
from wire.api.stream_fetch import StreamFetchRequest
from wire.codec import encode
from wire.framing import RequestHeader, request_frame


def raw(api_key: int, body: str, version: int = 25) -> bytes:
    """A request whose body is any bytes, given in hex."""
    header = RequestHeader(api_key=api_key, api_version=version, correlation_id=1, client_id="test")
    payload = encode(header, 0) + bytes.fromhex(body)
    return len(payload).to_bytes(4, "big") + payload


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "a frame of 1195725856 bytes"),
        (b"\xff\xff\xff\xff", "a frame of -1 bytes"),
        (b"\x04\x00\x00\x01", "a frame of 67108865 bytes"),
        (b"\x00\x00\x00\x09", "a frame of 9 bytes"),
        (raw(4711, ""), "unknown api key 4711"),
        (raw(0, "02"), "2 instead of 0 .none. or 1 .some."),
        (raw(0, "00 00 01"), "ends in the middle of a field"),
        (raw(0, "00 0001 ffffffff 00000000 00000000"), "a timeout of -1 ms"),
        (
            raw(0, "00 0001 00000000 00000001 000174 00000001 00000000 00000001 01 00000000"),
            "16777216 items announced with 1 bytes left",
        ),
    ],
)
async def test_undecodable_input_ends_its_connection_and_no_other(
    network: MemoryNetwork, autojump_clock: MockClock, data: bytes, why: str
) -> None:
    async with simulated(network) as sim:
        broken, other = [await dial(network, sim.spu_addresses[0]) for _ in range(2)]
        # A good request before the broken input is still applied and answered.
        await broken.send(PRODUCE, produce_request(("greetings", 0, batch(b"a"))))
        await broken.stream.send_all(data)
        assert (await broken.answer())[0] == 1
        with pytest.raises(EOFError):
            await broken.answer()
        assert (await other.produce("greetings", 0, b"b")).base_offset == 1
        (ended,) = [e for e in sim.events if isinstance(e, ConnectionClosed)]
    assert (ended.connection, ended.server) == (1, "spu:0")
    assert (ended.by, ended.reason) == (ClosedBy.SIMULATOR, CloseReason.UNDECODABLE)
    assert re.search(why, str(ended.error))


async def test_an_unknown_label_closes_the_connection(
    network: MemoryNetwork, autojump_clock: MockClock
) -> None:
    async with simulated(network) as sim:
        for request in ((LIST, listing("Nonsense")), (WATCH, watch("Nonsense"))):
            client = await dial(network, sim.address)
            await client.send(*request)
            with pytest.raises(EOFError):
                await client.answer()


async def test_a_client_that_says_nothing_or_next_to_nothing_holds_up_nobody(
    network: MemoryNetwork,
    autojump_clock: MockClock,
) -> None:
    async with simulated(network) as sim:
        await trio.sleep(1)
        tasks = trio.lowlevel.current_statistics().tasks_living
        silent = network.connect(sim.spu_addresses[0])
        slow = network.connect(sim.spu_addresses[0])
        for byte in Client(slow).wire.hello()[:-1]:
            await slow.send_all(bytes([byte]))
            await trio.sleep(1)
        assert trio.lowlevel.current_statistics().tasks_living - tasks == 2
        client = await dial(network, sim.spu_addresses[0])
        assert (await client.produce("greetings", 0, b"a")).base_offset == 0
        await silent.aclose()
        await trio.sleep(1)
    assert [e for e in sim.events if isinstance(e, ConnectionClosed) and e.by is ClosedBy.CLIENT]


async def test_a_request_that_is_not_served_is_counted_and_told_once(
    network: MemoryNetwork, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with simulated(network) as sim:
        for _ in range(2):
            client = await dial(network, sim.spu_addresses[0])
            header = RequestHeader(api_key=2000, api_version=1, correlation_id=2, client_id="test")
            await client.stream.send_all(request_frame(header, header))
            assert await client.answers_within(1) == []
        summary = sim.summary()
    asked = "the API with key 2000, asked of spu:0,"
    assert summary.not_served == {asked: 2}
    assert caplog.messages == [f"a client was disconnected: {asked} is not served"]


async def test_a_stream_in_a_version_with_other_fields_is_not_served_although_it_decodes(
    network: MemoryNetwork, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """What a client sends that knows no version of those that are offered: it falls back to 17."""
    async with simulated(network) as sim:
        client = await dial(network, sim.spu_addresses[0])
        request = encode(StreamFetchRequest(topic="greetings", fetch_offset=0), 17)
        smartmodules = "00000000 00 00"
        await client.stream.send_all(raw(1003, request.hex() + smartmodules, version=17))
        with pytest.raises(EOFError):
            await client.answer()
        summary = sim.summary()
    asked = "stream-fetch in version 17, asked of spu:0,"
    assert summary.not_served == {asked: 1}
    assert caplog.messages == [f"a client was disconnected: {asked} is not served"]
