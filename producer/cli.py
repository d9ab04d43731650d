"""The command ``spu-producer TOPIC``: lines from standard input become records."""

import os
import re
import sys
from contextlib import suppress
from typing import Any

import click
import trio

from producer.config import (
    BATCH_SIZE,
    RESPONSE_TIMEOUT_S,
    Isolation,
    TopicProducerConfig,
)
from producer.console import STATUS_INTERRUPTED, Job, Run
from producer.delivery.partitioner import specific
from producer.delivery.semantics import DeliverySemantic, RetryPolicy, RetryStrategy
from producer.errors import FluvioError
from wire.compression import Codec
from wire.duration import parse_duration

EPILOG = """\b
Examples:
  echo "Hello" | spu-producer greetings --address 127.0.0.1:9003
      Send one record and wait until it is stored.
  spu-producer greetings --key-separator : < records.txt
      Send "key:value" lines to the cluster of the current Fluvio profile.
  seq 3 | spu-producer greetings --address 127.0.0.1:9003 --max-retries 5 --timeout 10s
      Retry as in the example of Fluvio's documentation.

Status: 0 all was delivered, 1 something was not, 2 nothing could be sent or a line was not usable,
130 interrupted. Ctrl-C, SIGTERM and SIGHUP (but under nohup) flush for up to five seconds and print
how many records were not delivered; a second signal ends the command at once.
"""

_DEFAULTS = RetryPolicy()
_SIZE = re.compile(r"(\d{1,12})(KiB|MiB)?")
_BYTES = {None: 1, "KiB": 1024, "MiB": 1024 * 1024}
_STRATEGIES = {
    "fixed-delay": RetryStrategy.FIXED_DELAY,
    "exponential-backoff": RetryStrategy.EXPONENTIAL_BACKOFF,
    "fibonacci-backoff": RetryStrategy.FIBONACCI_BACKOFF,
}


class _Duration(click.ParamType[float]):
    """A duration such as ``50ms``, as seconds."""

    name = "DURATION"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Size(click.ParamType[int]):
    """A number of bytes, or of ``KiB`` or ``MiB``."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is not a size; write 16384, 16KiB or 1MiB", param, ctx)
        return int(match[1]) * _BYTES[match[2]]


def _of_policy(what: str, default: float) -> str:
    return f"At-least-once: {what}  [default: {default:g}s]"


@click.command(
    epilog=EPILOG,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="spu-chaos", message="%(package)s %(version)s")
@click.argument("topic")
@click.option("--address", metavar="HOST:PORT", help="The SC.  [default: from the Fluvio profile]")
@click.option("--profile", metavar="NAME", help="The Fluvio profile.  [default: the current one]")
@click.option(
    "--key-separator",
    metavar="TEXT",
    help="What stands between key and value in each line.  [default: lines have no key]",
)
@click.option(
    "--delivery-semantic",
    type=click.Choice(["at-most-once", "at-least-once"]),
    default="at-least-once",
    show_default=True,
)
@click.option(
    "--max-retries",
    type=click.IntRange(0),
    default=_DEFAULTS.max_retries,
    show_default=True,
    help="At-least-once: attempts after the first one.",
)
@click.option(
    "--initial-delay",
    type=_Duration(),
    default=_DEFAULTS.initial_delay,
    help=_of_policy("what the delays start from.", _DEFAULTS.initial_delay),
)
@click.option(
    "--max-delay",
    type=_Duration(),
    default=_DEFAULTS.max_delay,
    help=_of_policy("the longest delay.", _DEFAULTS.max_delay),
)
@click.option(
    "--timeout",
    type=_Duration(),
    default=_DEFAULTS.timeout,
    help=_of_policy("the time for all attempts.", _DEFAULTS.timeout),
)
@click.option(
    "--retry-strategy",
    type=click.Choice(list(_STRATEGIES)),
    default="exponential-backoff",
    show_default=True,
)
@click.option(
    "--response-timeout",
    type=_Duration(),
    default=RESPONSE_TIMEOUT_S,
    help=f"At-most-once: how long a record may take.  [default: {RESPONSE_TIMEOUT_S:g}s]",
)
@click.option("--compression", type=click.Choice([codec.name.lower() for codec in Codec]))
@click.option(
    "--isolation",
    type=click.Choice(["read-uncommitted", "read-committed"]),
    default="read-uncommitted",
    show_default=True,
    help="When an SPU answers: once records are appended, or once they are replicated.",
)
@click.option(
    "--linger",
    type=_Duration(),
    default=0.0,
    help="How long a batch waits for more records.  [default: 0s]",
)
@click.option("--batch-size", type=_Size(), default=BATCH_SIZE, show_default=True)
@click.option(
    "--partition",
    type=click.IntRange(0),
    metavar="N",
    help="Send everything there.  [default: by key, or in turns]",
)
@click.option("--quiet", is_flag=True, help="Print errors, but neither progress nor the tally.")
def main(**given: Any) -> int:
    """Send lines from standard input to TOPIC, each as one record."""
    if given["key_separator"] == "":
        raise click.UsageError("--key-separator: an empty text stands everywhere in a line")
    if sys.stdin is None:
        raise click.UsageError("standard input is closed; give the lines to send there")
    job = Job(
        topic=given["topic"],
        address=given["address"],
        profile=given["profile"],
        separator=None if given["key_separator"] is None else os.fsencode(given["key_separator"]),
        quiet=given["quiet"],
        config=_config_of(given),
    )
    return trio.run(_run, job, sys.stdin.fileno())


async def _run(job: Job, fileno: int) -> int:
    return await Run(job, fileno).to_the_end()


def _config_of(given: dict[str, Any]) -> TopicProducerConfig:
    semantic = DeliverySemantic.at_most_once()
    if given["delivery_semantic"] == "at-least-once":
        try:
            policy = RetryPolicy(
                max_retries=given["max_retries"],
                initial_delay=given["initial_delay"],
                max_delay=given["max_delay"],
                timeout=given["timeout"],
                strategy=_STRATEGIES[given["retry_strategy"]],
            )
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        semantic = DeliverySemantic.at_least_once(policy)
    codec, partition = given["compression"], given["partition"]
    isolation = given["isolation"].replace("-", "_").upper()
    return TopicProducerConfig(
        batch_size=given["batch_size"],
        linger=given["linger"],
        compression=None if codec is None else Codec[codec.upper()],
        isolation=Isolation[isolation],
        delivery_semantic=semantic,
        response_timeout=given["response_timeout"],
        partitioner=None if partition is None else specific(partition),
    )


def run() -> None:
    """Run the command; every mistake of the user is one line on stderr and status 2."""
    try:
        status = main(standalone_mode=False)
    except click.ClickException as error:
        message = error.format_message()
    except FluvioError as error:
        message = str(error)
    except OSError as error:  # the help could not be printed; nothing else here writes or reads
        message = (error.strerror or str(error)).lower()
    except (click.Abort, KeyboardInterrupt):
        sys.exit(STATUS_INTERRUPTED)
    else:
        sys.exit(status)
    with suppress(OSError):  # the status says it too
        click.echo(f"producer: {message}", err=True)
    sys.exit(2)
