import json
from contextlib import aclosing

import pytest
import trio

from simulator.control.event_feed import CHUNK_CHARS, EventFeed
from simulator.events import SpuStopped


def happened(feed: EventFeed, *numbers: int) -> None:
    for n in numbers:
        feed(SpuStopped(n=n, t=0.0, spu=n))


async def numbers(feed: EventFeed, position: int) -> list[tuple[str, int]]:
    text = "".join([some async for some in feed.read(position, follow=False)])
    lines = [json.loads(line) for line in text.splitlines()]
    return [(line["event"], line["n"]) for line in lines]


async def test_a_reader_gets_the_events_from_a_position_on() -> None:
    feed = EventFeed()
    assert await numbers(feed, 0) == []
    happened(feed, 1, 2, 3)
    assert await numbers(feed, 0) == [("SpuStopped", 1), ("SpuStopped", 2), ("SpuStopped", 3)]
    assert await numbers(feed, 3) == [("SpuStopped", 3)]
    assert await numbers(feed, 4) == []


async def test_a_reader_that_follows_waits_for_more(autojump_clock: trio.testing.MockClock) -> None:
    feed = EventFeed()
    got: list[str] = []

    async def follow() -> None:
        async for some in feed.read(2, follow=True):
            got.extend(some.splitlines())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        for n in range(1, 5):
            await trio.sleep(1)
            happened(feed, n)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert [json.loads(line)["n"] for line in got] == [2, 3, 4]


async def test_each_of_several_readers_that_follow_gets_every_event(
    autojump_clock: trio.testing.MockClock,
) -> None:
    feed = EventFeed()
    got: dict[int, list[int]] = {0: [], 1: [], 2: []}

    async def follow(reader: int) -> None:
        async for some in feed.read(0, follow=True):
            got[reader] += [json.loads(line)["n"] for line in some.splitlines()]

    async with trio.open_nursery() as nursery:
        for reader in got:
            nursery.start_soon(follow, reader)
        for n in range(1, 4):
            await trio.sleep(1)
            happened(feed, n)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert got == {0: [1, 2, 3], 1: [1, 2, 3], 2: [1, 2, 3]}


async def test_what_is_kept_is_bounded_and_a_reader_is_told_what_it_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = len(SpuStopped(n=1, spu=1).to_json()) + 1
    monkeypatch.setattr("simulator.control.event_feed.FEED_CHARS_MAX", 2 * line)
    feed = EventFeed()
    happened(feed, *range(1, 6))
    assert await numbers(feed, 2) == [("EventsLeftOut", 3), ("SpuStopped", 4), ("SpuStopped", 5)]
    assert await numbers(feed, 0) == [("SpuStopped", 4), ("SpuStopped", 5)]


async def test_a_reader_that_falls_behind_goes_on_behind_the_gap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    feed = EventFeed()
    happened(feed, 1, 2)
    async with aclosing(feed.read(1, follow=True)) as reader:
        assert len((await anext(reader)).splitlines()) == 2
        monkeypatch.setattr("simulator.control.event_feed.FEED_CHARS_MAX", 0)
        happened(feed, 3)
        monkeypatch.undo()
        happened(feed, 4)
        lines = [json.loads(each) for each in (await anext(reader)).splitlines()]
    assert [(each["event"], each.get("count")) for each in lines] == [
        ("EventsLeftOut", 1),
        ("SpuStopped", None),
    ]


async def test_one_chunk_is_not_much_larger_than_its_bound() -> None:
    feed = EventFeed()
    happened(feed, *range(1, 3000))
    async with aclosing(feed.read(0, follow=False)) as reader:
        first = await anext(reader)
    assert CHUNK_CHARS <= len(first) < CHUNK_CHARS + 200
