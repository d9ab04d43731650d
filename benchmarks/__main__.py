"""``python -m benchmarks``: the simulator and the codec, in half a minute on loopback.

One simulator is started with its usual command and serves every round. The rounds of all figures
are interleaved, so that other load on the machine affects all figures alike. At the end SIGINT
stops the simulator, and its summary must contain every record that was sent.
"""

import os
import platform
import sys

from rich.console import Console

from benchmarks.codec import decode_and_encode_us, record_us
from benchmarks.figures import Figure, table_of
from benchmarks.load import TOPIC, Load
from benchmarks.server import COMMAND, BenchmarkError, running_echo, running_server

ROUNDS = 6
"""The number of rounds: enough for a median, and few enough for half a minute and 1.5 GB."""

FIGURES = (
    Figure("one in flight", "requests/s", 0, target=8_000),
    Figure("one in flight, p50", "ms", 3),
    Figure("one in flight, p99", "ms", 3),
    Figure("one in flight, to a bare echo", "", 2, target=0.7),
    Figure("batches of 16 KiB", "records/s", 0, target=1_000_000),
    Figure("decode a response", "us", 2),
    Figure("encode a response", "us", 2),
    Figure("encode and seal a record", "us", 2),
)


def main() -> None:
    """Measure everything and print a table."""
    console = Console(highlight=False, soft_wrap=True)
    samples = []
    with running_server() as server, running_echo() as echo:
        load = Load(server.spu_address)
        for number in range(1, ROUNDS + 1):
            with console.status(f"round {number} of {ROUNDS}"):
                alone = load.one_in_flight()
                share = alone[0] / load.echoed(echo)
                samples.append(
                    (*alone, share, load.batched(), *decode_and_encode_us(), record_us())
                )
        summary = server.stop()
    stored = summary["partitions"][f"{TOPIC}/0"]["stored"]
    if stored != load.records or summary["unanswered_records"]:
        raise BenchmarkError(f"{load.records} records were sent, the summary is {summary}")
    by_figure = zip(*samples, strict=True)
    console.print(table_of(zip(FIGURES, by_figure, strict=True), ROUNDS))
    console.print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores; "
        f"python {COMMAND}\n"
        f"{load.records:,} records sent, {stored:,} stored"
    )


if __name__ == "__main__":
    try:
        main()
    except (BenchmarkError, OSError) as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
