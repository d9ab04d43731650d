"""The command ``spu-simulator ctl``: the operations of the control API from a terminal."""

import http.client
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click

from simulator.control.command_options import AddressType
from simulator.control.guard import CONTROL_PORT, TOKEN_VARIABLE, read_token
from simulator.control.operations import OPERATIONS, Operation
from simulator.documents.diagnostic import printable
from simulator.documents.reader import YamlError, parse
from simulator.documents.strict_model import Strict
from simulator.options import SimulatorError
from wire.address import Address

TIMEOUT_S = 60.0
"""The longest wait for an answer, in seconds; a stream of events may be silent for ever."""

EPILOG = """\b
Examples, with a simulator that runs with --control 127.0.0.1:8475:
  spu-simulator ctl add-faults 'drop: {at: response, probability: 0.1}'
      Drop a tenth of all answers from now on; prints the name of the fault.
  spu-simulator ctl remove-fault drop-1
  spu-simulator ctl stop-spu 0
  spu-simulator ctl partitions
      What each partition holds, as JSON.
  spu-simulator ctl events --no-follow
      What has happened, as JSON Lines.
  spu-simulator ctl reset
      Begin the next test with an empty cluster.
"""


class ControlClient:
    """Calls the control API of a simulator.

    Args:
        address: its address.
        token: the secret that it demands; None for none.
    """

    def __init__(self, address: Address, token: str | None) -> None:
        self._address = address
        self._token = token

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request and return the data of the answer.

        Raises:
            SimulatorError: there is no simulator, or it refuses the request.
        """
        with self._response(method, path, body, timeout_s=TIMEOUT_S) as response:
            try:
                return json.loads(response.read())
            except (OSError, http.client.HTTPException, ValueError) as error:
                raise self._no_simulator(error) from error

    def lines(self, path: str) -> Iterator[str]:
        """Get a stream and yield its lines as they come.

        Raises:
            SimulatorError: there is no simulator, it refuses the request, or it has ended.
        """
        with self._response("GET", path, None, timeout_s=None) as response:
            if response.getheader("Content-Type") != "application/jsonl":
                raise self._no_simulator(ValueError())
            while True:
                try:
                    line = response.readline()
                except (OSError, http.client.HTTPException) as error:
                    raise SimulatorError("the simulator has ended") from error
                if not line:
                    return
                yield printable(line.decode(errors="replace").rstrip("\n"))

    @contextmanager
    def _response(
        self, method: str, path: str, body: Any, *, timeout_s: float | None
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request, and give the response for the duration of the block."""
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = http.client.HTTPConnection(
            self._address.host, self._address.port, timeout=timeout_s
        )
        data = None if body is None else json.dumps(body)
        with closing(connection):
            try:
                connection.request(method, path, data, headers)
                response = connection.getresponse()
                text = "" if response.status == 200 else response.read().decode(errors="replace")
            except (OSError, http.client.HTTPException, UnicodeError) as error:
                raise self._no_simulator(error) from error
            if response.status != 200:
                raise _refusal(text) or self._no_simulator(ValueError())
            with response:
                yield response

    def _no_simulator(self, error: Exception) -> SimulatorError:
        """Return what to tell if something else is at the address, or nothing."""
        reason = "what answers is none"
        if isinstance(error, UnicodeError) and not isinstance(error, UnicodeDecodeError):
            reason = "this is not a host"
        elif isinstance(error, OSError):
            reason = (error.strerror or str(error) or type(error).__name__).lower()
        return SimulatorError(
            f"no control API at {self._address}: {reason}; start a simulator with"
            f" --control {self._address}, or name another one with --at"
        )


def _refusal(text: str) -> SimulatorError | None:
    """Return the error of a refusal; None if the text is none."""
    try:
        lines = str(json.loads(text)["error"]).splitlines()
        return SimulatorError("\n".join(map(printable, lines)))
    except (ValueError, LookupError, TypeError):
        return None


@click.group(epilog=EPILOG, subcommand_metavar="OPERATION")
@click.option(
    "--at",
    "address",
    type=AddressType(CONTROL_PORT),
    default=f"127.0.0.1:{CONTROL_PORT}",
    show_default=True,
    help="The address of the control API.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help=f"A file with the token that the simulator demands; also read from {TOKEN_VARIABLE}.",
)
@click.pass_context
def ctl(context: click.Context, address: Address, token_file: Path | None) -> None:
    """Look at a running simulator, and change its faults and its cluster.

    Answers are printed as JSON.
    """
    context.obj = ControlClient(address, read_token(token_file))


def _command(operation: Operation) -> click.Command:
    """Return the command for an operation: its parameters are arguments, its query options."""
    parameters: list[click.Parameter] = [click.Argument([name]) for name in operation.path_types]
    parameters += [
        click.Option([f"--{name}"], default=str(default), show_default=True)
        for name, (_, default) in operation.query.items()
    ]
    fields = _fields(operation)
    if fields is not None:
        parameters += fields
    elif operation.body is not None:
        several = operation.body.json_schema().get("type") == "array"
        parameters.append(
            click.Argument(["faults"], nargs=-1 if several else 1, required=True, metavar="FAULT")
        )

    @click.pass_obj
    def run(client: ControlClient, /, **given: Any) -> None:
        path = operation.path
        for name in operation.path_types:
            path = path.replace(f"{{{name}}}", quote(given.pop(name), safe=""))
        query = {name: given.pop(name) for name in operation.query}
        if query:
            path += "?" + urlencode(query)
        if "faults" in given:
            faults = given["faults"]
            read = [*map(_fault, faults)] if isinstance(faults, tuple) else _fault(faults)
            body: Any = read
        else:
            fields = {name: value for name, value in given.items() if value is not None}
            body = None if operation.body is None else fields
        result = client.call(operation.method, path, body)
        if result is not None:
            click.echo(json.dumps(result, indent=2))

    name = operation.name.replace("_", "-")
    return click.Command(name, callback=run, params=parameters, help=operation.summary)


def _fields(operation: Operation) -> list[click.Parameter] | None:
    """Return the fields of a body that is one model; None for another body."""
    model = operation.body_type
    if not (isinstance(model, type) and issubclass(model, Strict)) or hasattr(model, "kind"):
        return None
    found: list[click.Parameter] = []
    texts = model.described()
    for name, field in model.model_fields.items():
        kind: Any = str if field.annotation is str else int
        if field.is_required():
            found.append(click.Argument([name], type=kind))
        else:
            found.append(click.Option([f"--{name}"], type=kind, help=texts.get(name)))
    return found


def _fault(text: str) -> Mapping[str, Any] | str:
    """Read a fault that is written as in a faults file.

    Raises:
        SimulatorError: it is not YAML.
    """
    try:
        document = parse(text)
    except YamlError as error:
        raise SimulatorError(f"{text!r}: {error.diagnostic.text}") from error
    if document.diagnostics:
        raise SimulatorError(f"{text!r}: {document.diagnostics[0].text}")
    data: Mapping[str, Any] | str = document.data
    return data


@click.command("events", help="Follow the events as JSON Lines.")
@click.option("--position", default=0, show_default=True, help="The number of the first event.")
@click.option("--follow/--no-follow", default=True, help="Go on with further events.")
@click.pass_obj
def _events(client: ControlClient, position: int, follow: bool) -> None:
    query = urlencode({"position": position, "follow": str(follow).lower()})
    for line in client.lines(f"/events?{query}"):
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            os._exit(0)  # the reader has what it wanted


for _each in OPERATIONS.values():
    ctl.add_command(_command(_each))
ctl.add_command(_events)
