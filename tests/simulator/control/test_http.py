"""The control API over HTTP, on real sockets."""

import http.client
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest
import trio
import trio.lowlevel

from simulator import SimulatorError, open_simulator
from simulator.control import http as control_http
from simulator.control.event_feed import EventFeed
from simulator.control.guard import is_loopback, read_token
from simulator.control.http import BODY_BYTES_MAX, STREAMS_MAX, control_server
from simulator.control.operations import OPERATIONS
from simulator.events import FaultAdded, FaultHit, FaultRemoved
from simulator.reporting.kept_events import KeptEvents
from simulator.serving.server import Simulator
from tests.simulator.client import Client, Connect, batch, produce_request
from wire.address import Address, parse_address
from wire.api import PRODUCE

LOOPBACK = Address("127.0.0.1", 0)


class Api:
    """The control API of a simulator, and the simulator."""

    def __init__(self, sim: Simulator, address: Address, kept: KeptEvents) -> None:
        self.sim = sim
        self.address = address
        self.events = kept.events

    async def send(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any]:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        return await trio.to_thread.run_sync(self._send, method, path, data, headers)

    def _send(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        written = {"Content-Type": "application/json"}
        written |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, data, written)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        is_json = response.headers["Content-Type"] == "application/json"
        return response.status, json.loads(text) if is_json else text

    async def refusal(self, method: str, path: str, body: Any = None, **headers: str) -> str:
        status, answer = await self.send(method, path, body, **headers)
        assert status != 200
        return f"{status} {answer['error']}"

    async def done(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = await self.send(method, path, body)
        assert status == 200, answer
        return answer


@asynccontextmanager
async def controlled(token: str | None = None, **options: Any) -> AsyncIterator[Api]:
    kept, feed = KeptEvents(), EventFeed()
    async with (
        open_simulator(sinks=[kept, feed], **options) as sim,
        control_server(sim, feed, LOOPBACK, token) as address,
    ):
        yield Api(sim, address, kept)


async def test_every_operation_answers_as_its_type_says(connect: Connect) -> None:
    async with controlled(spus=2, topics={"greetings": 2}, seed=7) as api:
        spec = await api.done("GET", "/openapi.json")
        client = await connect(api.sim.spu_addresses[0])
        await client.produce("greetings", 0, b"a")
        await client.produce("greetings", 0, b"\xff")
        done: set[str] = set()

        async def use(operated: str, /, body: Any = None, query: str = "", **path: Any) -> Any:
            operation = OPERATIONS[operated]
            address = operation.path.format(**path) + query
            answer = await api.done(operation.method, address, body)
            described = spec["paths"][operation.path][operation.method.lower()]
            assert described["operationId"] == operated
            content = described["responses"]["200"]["content"]["application/json"]
            jsonschema.validate(answer, {**content["schema"], "components": spec["components"]})
            done.add(operated)
            return answer

        assert (await use("info"))["seed"] == 7
        assert (await use("summary"))["partitions"]["greetings/0"]["distinct"] == 2
        assert [each["stored"] for each in await use("partitions")] == [2, 0]
        records = await use("log", topic="greetings", partition=0)
        assert [each["value"] for each in records] == ["a", "\\xff"]
        [second] = await use("log", query="?first=1&count=1", topic="greetings", partition=0)
        assert second["offset"] == 1
        assert [each["condition"] for each in await use("connections")] == ["open"]
        faults = [{"drop": {"at": "response"}}, "stall", {"delay": {"by": "1ms", "name": "x y"}}]
        assert await use("add_faults", faults) == ["drop-1", "stall-2", "x y"]
        await use("change_fault", {"drop": {"nth": 3}}, name="drop-1")
        await use("remove_fault", name="x%20y")
        assert await use("list_faults") == [
            {"drop": {"name": "drop-1", "nth": [3]}},
            {"stall": {"name": "stall-2"}},
        ]
        await use("clear_faults")
        await use("create_topic", {"topic": "t", "partitions": 2})
        await use("add_partitions", {"count": 1}, topic="t")
        await use("move_leader", {"to": 1}, topic="t", partition=0)
        assert [each["leader"] for each in await use("partitions")] == [0, 1, 1, 1, 0]
        await use("delete_topic", topic="t")
        await use("stop_spu", spu=1)
        await use("start_spu", spu=1)
        await use("change_address", spu=1)
        await use("cut", {"server": "spu"})
        await use("heal")
        await use("reset")
        assert done == set(OPERATIONS)


@pytest.mark.parametrize(
    ("request_line", "body", "text"),
    [
        ("POST /faults", [{"drip": {}}], "400 [0]: unknown kind 'drip'; did you mean 'drop'?"),
        ("POST /faults", {"drop": {}}, "400 a mapping is not a list"),
        ("POST /faults", b"{", "400 the body is not JSON: "),
        ("POST /faults", b"[" * 5000, "400 the body is not JSON: "),
        ("POST /faults", b"\xff", "400 the body is not JSON: "),
        ("POST /faults", None, "400 the body is not JSON: "),
        ("POST /faults", [{"drop": {"match": {"spu": 9}}}], "400 fault drop names SPU 9"),
        ("PUT /faults/x", {"drop": {}}, "400 no fault 'x'; there are none"),
        ("DELETE /faults/x", None, "400 no fault 'x'; there are none"),
        ("DELETE /topics/x", None, "400 topic x: not found"),
        ("DELETE /topics/consumer-offset", None, "400 topic consumer-offset: it is a system topic"),
        ("POST /topics", {"topic": "greetings"}, "400 topic greetings: Topic 'greetings' already"),
        ("DELETE /faults/", None, "400 no fault ''; there are none"),
        ("GET /nothing", None, "404 no operation GET /nothing; /openapi.json describes all"),
        ("POST /info", None, "405 no operation POST /info; /openapi.json describes all"),
        ("GET /faults/", None, "405 no operation GET /faults/"),
        ("GET /events?folow=false", None, "400 folow: unknown parameter of the query; there are"),
        (
            "GET /info?verbose=1",
            None,
            "400 verbose: unknown parameter of the query; there",
        ),
        ("GET /events?position=-1", None, "400 position: '-1' is not a whole number of at least 0"),
        ("GET /events?position=" + "9" * 5000, None, "400 position: '999"),
        ("GET /partitions/greetings/" + "9" * 5000 + "/records", None, "400 partition: '999"),
        ("POST /topics", {"topik": "x"}, "400 the key 'topic' is missing\ntopik: unknown key"),
        ("POST /spus/7/stop", None, "400 no SPU 7; there are 1, numbered from 0"),
        ("POST /spus/x/stop", None, "400 spu: "),
        ("POST /cut", {"server": "x"}, "400 no server x"),
        ("GET /partitions/greetings/5/records", None, "400 no partition greetings/5"),
        ("GET /partitions/greetings/0/records?count=0", None, "400 count: "),
        ("GET /events?position=x", None, "400 position: "),
        ("POST /topics", b" " * (BODY_BYTES_MAX + 1), "413 the body is larger than"),
    ],
)
async def test_a_mistake_is_one_sentence_and_changes_nothing(
    request_line: str, body: Any, text: str
) -> None:
    method, path = request_line.split()
    async with controlled() as api:
        events = len(api.events)
        assert (await api.refusal(method, path, body)).startswith(text)
        assert len(api.events) == events


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {"Host": "evil.example:{port}"}, 421),
        ("GET", {"Host": "127.0.0.1"}, 421),
        ("GET", {"Host": "127.0.0.1:1"}, 421),
        ("GET", {"Host": "127.0.0.1:" + "9" * 5000}, 421),
        ("GET", {"Host": "localhost:{port}"}, 200),
        ("GET", {"Origin": "http://evil.example"}, 403),
        ("GET", {"Origin": "null"}, 403),
        ("GET", {"Origin": "http://localhost:{port}"}, 200),
        ("POST", {"Origin": "http://127.0.0.1:{port}"}, 200),
        ("POST", {"Content-Type": "text/plain"}, 415),
        ("POST", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ("POST", {"Content-Type": "application/json; charset=utf-8"}, 200),
    ],
)
async def test_a_page_of_another_origin_can_do_nothing(
    method: str, headers: dict[str, str], status: int
) -> None:
    path = "/heal" if method == "POST" else "/info"
    async with controlled() as api:
        given = {
            name.replace("-", "_"): value.format(port=api.address.port)
            for name, value in headers.items()
        }
        assert (await api.send(method, path, None, **given))[0] == status


async def test_a_token_is_demanded_everywhere_but_of_the_page() -> None:
    async with controlled(token="secret") as api:
        for path in ("/info", "/events?follow=false", "/openapi.json"):
            assert (await api.refusal("GET", path)).startswith("401 write the token")
            assert (await api.send("GET", path, Authorization="Bearer secre"))[0] == 401
            assert (await api.send("GET", path, Authorization="Basic secret"))[0] == 401
            assert (await api.send("GET", path, Authorization="Bearer secret"))[0] == 200
        status, page = await api.send("GET", "/")
    assert status == 200
    assert "secret" not in page


@pytest.mark.parametrize("host", ["0.0.0.0", "", "192.0.2.1"])
async def test_other_machines_need_a_token(host: str) -> None:
    async with open_simulator() as sim:
        with pytest.raises(SimulatorError, match="so a token is needed"):
            async with control_server(sim, EventFeed(), Address(host, 0)):
                pass


def test_loopback_is_told_from_other_addresses() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("192.0.2.1")


def test_a_token_comes_from_a_file_or_the_environment(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_token(None) is None
    monkeypatch.setenv("SPU_SIMULATOR_CONTROL_TOKEN", "one\n")
    assert read_token(None) == "one"
    file = tmp_path / "token"
    file.write_text("two\n")
    assert read_token(file) == "two"
    for text in ("", "two words", "\u00fc"):
        file.write_text(text)
        with pytest.raises(SimulatorError, match="no token; write one word"):
            read_token(file)


async def test_a_port_in_use_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with open_simulator() as sim:
            address = Address("127.0.0.1", taken.getsockname()[1])
            with pytest.raises(SimulatorError, match=r"--control: cannot listen on .*choose"):
                async with control_server(sim, EventFeed(), address):
                    pass


async def test_events_are_followed_as_json_lines_from_a_position() -> None:
    async with controlled() as api:
        stream = await trio.open_tcp_stream(*api.address)
        request = f"GET /events?position=2 HTTP/1.1\r\nHost: localhost:{api.address.port}\r\n\r\n"
        await stream.send_all(request.encode())
        received = b""
        api.sim.add_faults(drop=1)
        while b"FaultAdded" not in received:
            received += await stream.receive_some()
        await stream.aclose()
        _, text = await api.send("GET", "/events?follow=false")
        lines = [json.loads(line) for line in text.splitlines()]
    assert b'"n": 1,' not in received
    assert [line["n"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[-1]["event"] == "FaultAdded"


async def test_streams_of_events_are_bounded_and_make_room_when_they_end() -> None:
    async with controlled() as api:
        request = f"GET /events HTTP/1.1\r\nHost: localhost:{api.address.port}\r\n\r\n".encode()
        streams = [await trio.open_tcp_stream(*api.address) for _ in range(STREAMS_MAX)]
        for stream in streams:
            await stream.send_all(request)
            assert b" 200 " in await stream.receive_some()
        assert (await api.refusal("GET", "/events")).startswith("503 16 clients follow")
        await streams[0].aclose()
        while True:
            status, _ = await api.send("GET", "/events?follow=false")
            if status == 200:
                break
            await trio.lowlevel.checkpoint()
        for stream in streams:
            await stream.aclose()


async def test_requests_under_way_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_http, "REQUESTS_MAX", 0)
    async with controlled() as api:
        assert await api.refusal("GET", "/info") == "503 more than 0 requests are under way"


async def test_a_body_that_does_not_arrive_gives_its_place_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(control_http, "REQUESTS_MAX", 1)
    monkeypatch.setattr(control_http, "BODY_S_MAX", 0.0)
    async with controlled() as api:
        stream = await trio.open_tcp_stream(*api.address)
        head = f"POST /faults HTTP/1.1\r\nHost: localhost:{api.address.port}\r\nContent-Length: 9"
        await stream.send_all(f"{head}\r\nContent-Type: application/json\r\n\r\n[".encode())
        received = b""
        while not received.endswith(b"}"):
            received += await stream.receive_some()
        assert received.startswith(b"HTTP/1.1 408 ")
        assert (await api.send("GET", "/info"))[0] == 200
        await stream.aclose()


async def test_a_defect_is_an_answer_and_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Simulator, "connections", lambda self: 1 // 0)
    async with controlled() as api:
        assert (await api.refusal("GET", "/connections")).startswith("500 a defect of the sim")
        assert "a defect: GET /connections: ZeroDivisionError" in caplog.text


async def test_a_fault_may_have_any_name() -> None:
    names = ["a/b", "/", "c%2Fd", "é €", " ", "?x", "#"]
    async with controlled() as api:
        await api.done("POST", "/faults", [{"drop": {"name": name}} for name in names])
        for name in names:
            path = f"/faults/{quote(name, safe='')}"
            await api.done("PUT", path, {"stall": {"nth": 1}})
            await api.done("DELETE", path)
        assert await api.done("GET", "/faults") == []


async def test_five_hundred_changes_under_load_lose_no_request_that_no_fault_struck(
    connect: Connect,
) -> None:
    async with controlled(seed=7) as api:
        client = await connect(api.sim.spu_addresses[0])
        port = api.address.port
        changed = 0

        def change() -> int:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            headers = {"Content-Type": "application/json"}
            count = 0
            for _ in range(250):
                body = json.dumps([{"drop": {"at": "request", "probability": 0.2, "name": "x"}}])
                for method, path, data in (
                    ("POST", "/faults", body),
                    ("DELETE", "/faults/x", None),
                ):
                    connection.request(method, path, data, headers)
                    response = connection.getresponse()
                    response.read()
                    count += response.status == 200
            connection.close()
            return count

        sent, stop = await _load(client, lambda: trio.to_thread.run_sync(change))
        changed = stop
        await api.sim.heal()
        hits = sum(isinstance(e, FaultHit) for e in api.events)
        stored = len(api.sim.log("greetings", 0))
        changes = [e for e in api.events if isinstance(e, FaultAdded | FaultRemoved)]
    assert changed == len(changes) == 500
    assert [e.n for e in changes] == sorted(e.n for e in changes)
    assert stored == sent - hits


async def _load(client: Client, work: Callable[[], Any]) -> tuple[int, Any]:
    """Send requests one after the other until some work is done; return their number."""
    result: list[Any] = []
    sent = 0

    async def until_done() -> None:
        result.append(await work())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(until_done)
        while not result:
            await client.send(PRODUCE, produce_request(("greetings", 0, batch(b"x"))))
            sent += 1
            await trio.lowlevel.checkpoint()
    # The answer to a request of another kind says that all before it were read.
    await client.stream.send_all(client.wire.hello())
    await trio.sleep(0.05)
    return sent, result[0]


def test_the_page_loads_nothing_from_elsewhere() -> None:
    from importlib.resources import files

    page = files("simulator.control").joinpath("page.html").read_text()
    assert "://" not in page.replace("<!doctype html>", "")
    assert "innerHTML" not in page


def test_an_address_has_a_default_port() -> None:
    assert parse_address("127.0.0.1", 8475).port == 8475
