"""``python -m benchmarks.proxy``: the proxy beside a naive pump, in a minute at most on loopback.

One simulator serves both. The proxy decodes all produce requests: a fault concerns them that never
fires. The rounds of all figures are interleaved, so that other load on the machine affects all
figures alike. At the end the simulator's summary must contain every record that was sent.
"""

import os
import platform
import sys

from rich.console import Console

from benchmarks.figures import Figure, table_of
from benchmarks.load import TOPIC, Load
from benchmarks.server import (
    PROXY_COMMAND,
    BenchmarkError,
    running_proxy,
    running_pump,
    running_server,
)

ROUNDS = 4
"""The number of rounds: enough for a median, and few enough for half a minute."""

FIGURES = (
    Figure("one in flight, no proxy", "requests/s", 0),
    Figure("one in flight, through a pump", "requests/s", 0),
    Figure("one in flight, through the proxy", "requests/s", 0),
    Figure("one in flight, proxy to pump", "", 2, target=0.7),
    Figure("batches of 16 KiB, through a pump", "records/s", 0),
    Figure("batches of 16 KiB, through the proxy", "records/s", 0),
    Figure("batches of 16 KiB, proxy to pump", "", 2, target=0.4),
)


def main() -> None:
    """Measure everything and print a table."""
    console = Console(highlight=False, soft_wrap=True)
    samples = []
    with running_server() as server:
        load = Load(server.spu_address)
        with running_pump(server.spu_address) as pump, running_proxy(server.sc_address) as proxy:
            for number in range(1, ROUNDS + 1):
                with console.status(f"round {number} of {ROUNDS}"):
                    direct = load.at(server.spu_address).one_in_flight()[0]
                    single = [load.at(each).one_in_flight()[0] for each in (pump, proxy)]
                    bulk = [load.at(each).batched() for each in (pump, proxy)]
                    shares = [found[1] / found[0] for found in (single, bulk)]
                    samples.append((direct, *single, shares[0], *bulk, shares[1]))
        summary = server.stop()
    stored = summary["partitions"][f"{TOPIC}/0"]["stored"]
    if stored != load.records or summary["unanswered_records"]:
        raise BenchmarkError(f"{load.records} records were sent, the summary is {summary}")
    by_figure = zip(*samples, strict=True)
    console.print(table_of(zip(FIGURES, by_figure, strict=True), ROUNDS))
    console.print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores; "
        f"python {PROXY_COMMAND}"
    )


if __name__ == "__main__":
    try:
        main()
    except (BenchmarkError, OSError) as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
