"""The options and arguments that several commands have."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from chaos.drivers.application import TERM_S, TIMEOUT_S, ApplicationOnTrial
from chaos.drivers.driver import Driver, driver_named, driver_of
from chaos.drivers.registry import DRIVERS, PRODUCER
from chaos.search.pool import default_jobs
from chaos.search.shard import Shard, shard_from
from chaos.spec.scenario import SEED_MAX
from chaos.world.loop.names import LOOP, LoopName, refusal
from simulator.control.command_options import DurationType

C = TypeVar("C", bound=Callable[..., Any])


class ClientType(click.ParamType[Driver]):
    """The name of a driver; an unknown or unavailable one is a mistake of the user."""

    name = "CLIENT"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Driver:
        """Return the driver."""
        try:
            client = driver_named(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if client.unavailable is not None:
            self.fail(client.unavailable, param, ctx)
        return client


class ShardType(click.ParamType[Shard]):
    """A shard such as ``1/4``."""

    name = "I/N"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Shard:
        """Return the shard."""
        try:
            return value if isinstance(value, Shard) else shard_from(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class DaskType(click.ParamType[str]):
    """The address of a Dask scheduler; without the extra it is a mistake of the user."""

    name = "ADDRESS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the address."""
        if find_spec("distributed") is None:
            self.fail("Dask is not installed; pip install 'spu-chaos[dask]'", param, ctx)
        return str(value)


def together(*options: Callable[[C], C]) -> Callable[[C], C]:
    """Return several options as one decorator, in the order of the help."""

    def decorate(command: C) -> C:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


files_argument = click.argument("files", metavar="FILE...", nargs=-1, required=True)

world_option = click.option(
    "--world",
    type=click.Choice(["virtual", "tcp"]),
    help="Run in this world only: virtual (in memory, in virtual time) or tcp (real sockets).",
)

any_world_option = click.option(
    "--world",
    type=click.Choice(["virtual", "tcp", "cluster"]),
    help="Run in this world only: virtual (in memory, in virtual time), tcp (real sockets), or "
    "cluster (a real cluster behind the proxy, which --cluster names).",
)

cluster_option = click.option(
    "--cluster",
    metavar="HOST:PORT",
    help="The SC of the cluster for --world cluster. Topics that begin with spu-chaos- are created "
    "there and deleted.",
)

perfetto_option = click.option(
    "--perfetto",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the run as a trace that https://ui.perfetto.dev opens.",
)

html_option = click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the run as a page that explains one record.",
)

client_option = click.option(
    "--client",
    type=ClientType(),
    default=PRODUCER,
    show_default=True,
    metavar="|".join(kind.form for kind in DRIVERS.values()),
    help="The client under test: our producer, the official client, or any program that speaks "
    "the client protocol. All but our producer run in their own processes, and therefore over tcp.",
)

app_options = together(
    click.option(
        "--app",
        "app",
        metavar="'PROGRAM {address}'",
        help="Put this program on trial in place of a client: it sends each line that it reads as "
        "one record, and ends with status 0 if all are delivered (over tcp). No shell is used.",
    ),
    click.option(
        "--expect-values",
        "values_file",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="The application sends these values by itself, one on each line, and reads nothing.",
    ),
    click.option(
        "--app-timeout",
        "app_timeout",
        type=DurationType(),
        default=f"{TIMEOUT_S:g}s",
        show_default=True,
        help="How long the application may take to end after its input; then come SIGTERM and, "
        f"{TERM_S:g} s later, SIGKILL.",
    ),
)
"""The options of an application on trial."""


def client_or_application(
    client: Driver, app: str | None, values_file: str | None, app_timeout: float
) -> Driver:
    """Return the driver of the application, if there is one.

    Raises:
        click.UsageError: the options contradict each other, or the application cannot be started.
    """
    context = click.get_current_context()
    given = {
        name
        for name in ("client", "values_file", "app_timeout")
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT
    }
    if app is None:
        if given & {"values_file", "app_timeout"}:
            raise click.UsageError("--expect-values and --app-timeout need --app")
        return client
    if "client" in given:
        raise click.UsageError("--app and --client name two clients; give one of them")
    try:
        return driver_of(
            ApplicationOnTrial(command=app, values_file=values_file, timeout_s=app_timeout)
        )
    except ValueError as error:
        raise click.UsageError(f"--app: {error}") from error


_seed = click.option(
    "--seed",
    type=click.IntRange(0, SEED_MAX),
    help="Random seed.  [default: the seed in the file, else 0]",
)
out_option = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Keep every run below this directory.  [default: failures only, in .chaos]",
)
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: one document, and nothing else, on standard output.",
)
junit_option = click.option(
    "--junit",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the results as JUnit XML.",
)

index_option = click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write the results as a page.  [default: with --out, report.html in that directory]",
)


def _serving(_: click.Context, __: click.Parameter, loop: LoopName) -> LoopName:
    """Return the loop that serves: trio, with a warning, where the fast loop refuses."""
    reason = refusal()
    if loop == "trio" or reason is None:
        return loop
    click.echo(reason, err=True)
    return "trio"


loop_option = click.option(
    "--loop",
    type=click.Choice(["fast", "trio"]),
    default=LOOP,
    show_default=True,
    callback=_serving,
    help="The event loop of examples in virtual time. Both give the same histories; what the fast "
    "one finds counts once trio gives the same. Concrete scenarios always run on trio.",
)
jobs_option = click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=default_jobs,
    help="Number of processes that share the work.  [default: two for each core]",
)

shard_option = click.option(
    "--shard",
    type=ShardType(),
    help="Run one of N parts of the work, the I-th. With --out, merge makes one result of all.",
)

dask_option = click.option(
    "--dask",
    type=DaskType(),
    help="Run examples on the workers of this Dask scheduler (tcp://HOST:PORT), instead of "
    "--jobs. Its extra: spu-chaos[dask].",
)

_shared = (
    client_option,
    _seed,
    out_option,
    format_option,
    junit_option,
    index_option,
    jobs_option,
    shard_option,
    loop_option,
)

explore_options = together(world_option, *_shared)
"""The options that ``explore`` shares with ``run``."""

run_options = together(any_world_option, *_shared)
"""The same for ``run``, which knows one more world."""
