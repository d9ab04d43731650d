"""The control API over HTTP: routes for the operations, the stream of events, and the page."""

import logging
import socket
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import aclosing, asynccontextmanager
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import trio
from hypercorn.config import Config as ServerConfig
from hypercorn.trio import serve
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from simulator.control.event_feed import EventFeed
from simulator.control.guard import Forbidden, Guard, is_loopback
from simulator.control.openapi import openapi_document
from simulator.control.operations import OPERATIONS, Operation
from simulator.documents.diagnostic import explained, shown_path
from simulator.documents.quantities import Index
from simulator.options import SimulatorError, paths_in
from simulator.proxying.proxy import Proxy
from simulator.serving.server import Simulator
from wire.address import Address

BODY_BYTES_MAX = 1024 * 1024
"""The largest body of a request."""

STREAMS_MAX = 16
"""The maximum number of clients that follow the events at a time."""

REQUESTS_MAX = 64
"""The maximum number of requests under way, streams included."""

BODY_S_MAX = 10.0
"""The time for a body to arrive, in seconds. A client that stops in the middle of one would count
among ``REQUESTS_MAX`` for ever."""

DIGITS_MAX = 100
"""The most digits of a number in a path or a query; Python refuses to read thousands."""

logger = logging.getLogger("simulator.control")

_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class ControlServer:
    """Answers the requests of the control API.

    Args:
        simulator: the simulator.
        feed: its latest events.
        guard: checks each request.
    """

    def __init__(self, simulator: Simulator | Proxy, feed: EventFeed, guard: Guard) -> None:
        self._simulator = simulator
        self._feed = feed
        self._guard = guard
        self._streams = 0
        self._requests = 0
        self._document = openapi_document(version("spu-chaos"))
        self.app = Starlette(
            exception_handlers={HTTPException: _not_there},
            routes=[
                Route("/", self._page),
                Route("/openapi.json", self._guarded(self._openapi)),
                Route("/events", self._guarded(self._events)),
                *(
                    Route(_route(each.path), self._operation(each), methods=[each.method])
                    for each in OPERATIONS.values()
                ),
            ],
        )
        # A redirect from /faults/ would make the removal of a fault without a name that of all.
        self.app.router.redirect_slashes = False

    async def _page(self, request: Request) -> Response:
        page = files("simulator.control").joinpath("page.html").read_text(encoding="utf-8")
        return HTMLResponse(page, headers=_PAGE_HEADERS)

    async def _openapi(self, request: Request) -> Response:
        return JSONResponse(self._document)

    async def _events(self, request: Request) -> Response:
        query = request.query_params
        _check_query(request, ("position", "follow"))
        position = _converted("position", query.get("position", "0"), TypeAdapter(Index))
        follow = _converted("follow", query.get("follow", "true"), TypeAdapter(bool))
        if self._streams >= STREAMS_MAX:
            raise Forbidden(503, f"{STREAMS_MAX} clients follow the events already")

        self._streams += 1
        lines = self._feed.read(position, follow=follow)
        return _CountedResponse(
            StreamingResponse(lines, media_type="application/jsonl"), self._stream_ended
        )

    def _stream_ended(self) -> None:
        self._streams -= 1

    def _request_ended(self) -> None:
        self._requests -= 1

    def _operation(self, operation: Operation) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            if not operation.offered_by(self._simulator):
                raise SimulatorError(f"{operation.name}: the cluster behind a proxy decides this")
            arguments: dict[str, Any] = {}
            for name, adapter in operation.path_types.items():
                arguments[name] = _converted(name, request.path_params[name], adapter)
            _check_query(request, operation.query)
            for name, (adapter, default) in operation.query.items():
                given = request.query_params.get(name)
                arguments[name] = default if given is None else _converted(name, given, adapter)
            if operation.body is not None:
                arguments["body"] = _decoded(await _body(request), operation.body)
            result = await operation.run(self._simulator, **arguments)
            return Response(operation.result.dump_json(result), media_type="application/json")

        return self._guarded(answer, has_body=operation.body is not None)

    def _guarded(
        self, answer: Callable[[Request], Any], *, has_body: bool = False
    ) -> Callable[[Request], Any]:
        """Check each request first, count it until its answer is written, and answer refusals."""

        async def guarded(request: Request) -> Response:
            try:
                self._guard.check(request.method, request.headers, has_body=has_body)
            except Forbidden as error:
                return _refused(error.status, error.text)
            if self._requests >= REQUESTS_MAX:
                return _refused(503, f"more than {REQUESTS_MAX} requests are under way")
            self._requests += 1
            try:
                return _CountedResponse(await _answered(answer, request), self._request_ended)
            except BaseException:
                self._requests -= 1
                raise

        return guarded


class _CountedResponse(Response):
    """A response that says when it was written, or never will be."""

    def __init__(self, response: Response, ended: Callable[[], None]) -> None:
        self._response = response
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._response(scope, receive, send)
        finally:
            self._ended()


async def _answered(answer: Callable[[Request], Any], request: Request) -> Response:
    """Return the answer to a request, which may be a refusal."""
    try:
        response: Response = await answer(request)
    except Forbidden as error:
        return _refused(error.status, error.text)
    except SimulatorError as error:
        return _refused(400, str(error))
    except ClientDisconnect:
        return _refused(400, "the body is incomplete")
    except Exception as error:
        logger.warning("a defect: %s %s: %r", request.method, request.url.path, error)
        return _refused(500, f"a defect of the simulator: {error!r}")
    return response


def _refused(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)


async def _not_there(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.url.path}"
    return _refused(error.status_code, f"no operation {what}; /openapi.json describes all")


def _route(path: str) -> str:
    """Return the route of a path; a name at its end may have slashes."""
    return f"{path[:-1]}:path}}" if path.endswith("}") else path


def _check_query(request: Request, known: Collection[str]) -> None:
    for name in request.query_params:
        if name not in known:
            names = ", ".join(known) or "none"
            raise Forbidden(400, f"{name}: unknown parameter of the query; there are {names}")


async def _body(request: Request) -> bytes:
    found = bytearray()
    with trio.move_on_after(BODY_S_MAX) as scope:
        async with aclosing(request.stream()) as chunks:
            async for chunk in chunks:
                found += chunk
                if len(found) > BODY_BYTES_MAX:
                    raise Forbidden(413, f"the body is larger than {BODY_BYTES_MAX} bytes")
    if scope.cancelled_caught:
        raise Forbidden(408, f"the body did not arrive within {BODY_S_MAX:g} s")
    return bytes(found)


def _decoded(data: bytes, adapter: TypeAdapter[Any]) -> Any:
    try:
        value = from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise Forbidden(400, f"the body is not JSON: {error}") from error
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        lines = [
            ": ".join(part for part in (shown_path(path), text) if part)
            for path, text in explained(error, paths_in(value))
        ]
        raise Forbidden(400, "\n".join(lines)) from error


def _converted(name: str, text: str, adapter: TypeAdapter[Any]) -> Any:
    """Return the value of a parameter in the path or the query."""
    is_number = adapter.json_schema().get("type") == "integer"
    try:
        is_number = is_number and text.isdecimal() and len(text) <= DIGITS_MAX
        return adapter.validate_python(int(text) if is_number else text)
    except ValidationError as error:
        raise Forbidden(
            400, f"{name}: {error.errors()[0]['msg'].removeprefix('Value error, ')}"
        ) from error


def check_reach(address: Address, token: str | None) -> None:
    """Refuse to offer the control API to other machines without a token.

    Raises:
        SimulatorError: it would be.
    """
    if token is None and not is_loopback(address.host):
        raise SimulatorError(
            f"--control {address}: other machines reach this address, so a token is needed; write "
            "one into a file for --control-token-file, or listen on 127.0.0.1"
        )


@asynccontextmanager
async def control_server(
    simulator: Simulator | Proxy, feed: EventFeed, address: Address, token: str | None = None
) -> AsyncIterator[Address]:
    """Serve the control API for the duration of the block, and give its address.

    Args:
        simulator: the simulator.
        feed: a sink of its events.
        address: where to listen; port 0 picks a free one.
        token: the secret that each request must carry; None for none.

    Raises:
        SimulatorError: the port is not free, or a token is needed.
    """
    check_reach(address, token)
    listener = _listening(address)
    address = Address(address.host, listener.getsockname()[1])
    app = ControlServer(simulator, feed, Guard(address, token)).app
    async with trio.open_nursery() as nursery:
        await nursery.start(_serve, app, listener.detach())
        yield address
        nursery.cancel_scope.cancel()


def _listening(address: Address) -> socket.socket:
    host = address.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, address.port))
        listener.listen()  # now: two sockets may be bound to a port, but only one listens there
    except OSError as error:
        listener.close()
        reason = (error.strerror or str(error)).lower()
        raise SimulatorError(
            f"--control: cannot listen on {address}: {reason}; choose another port"
        ) from error
    return listener


async def _serve(
    app: Starlette,
    listener: int,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    config = ServerConfig()
    config.bind = [f"fd://{listener}"]
    config.accesslog = None
    config.errorlog = logger
    config.graceful_timeout = 0
    await serve(app, config, task_status=task_status)  # type: ignore[arg-type]  # starlette's own types
