"""The official client, unmodified, with a proxy between it and a cluster of two SPUs."""

import pytest

import simulator
from simulator.faults.kinds.drop import Drop
from simulator.faults.model import Match
from simulator.proxying.config import configure_proxy, upstream_of
from simulator.proxying.proxy import open_proxy
from tests.official.client import Sent, consuming, drive, producing, read, sent, stored

RECORDS: list[tuple[bytes | None, bytes]] = [(b"k", b"%d" % n) for n in range(3)]


@pytest.mark.official
async def test_it_produces_and_consumes_through_a_proxy_that_loses_an_answer() -> None:
    lost = Drop(name="lost", at="response", nth=2, match=Match(api="produce"))
    async with simulator.open_simulator(spus=2) as sim:
        config = configure_proxy(upstream_of(sim.address, None), faults=[lost])
        async with open_proxy(config) as proxy:
            produced, consumed = await drive(
                proxy, producing(*RECORDS, wait="each"), consuming(len(RECORDS) + 1)
            )
            assert sent(produced) == [Sent(0, 0), Sent(0, 2), Sent(0, 3)]
            values = [each.value for each in read(consumed)]
            assert values == [b"0", b"1", b"1", b"2"]
            assert [value for _, value in stored(sim)] == values
            assert proxy.summary().faults["lost"].fired == 1
            # Every connection of the cluster but its watch is one of the proxy's.
            assert sim.summary().connections == proxy.summary().connections + 1
