"""The official client as a process: it sends numbered records and says what came of each.

Its calls hold the interpreter's lock and some never end, so that it must be killable. Each line on
stdout is JSON: first that it is connected, then one line for each record as soon as it is settled.
It stops at its first error, for a producer of the official client stays broken after one.

Started as ``python -m chaos.official ADDRESS TOPIC FIRST LAST``, with ``FLV_SOCKET_WAIT`` set.
"""

import json
import sys
from typing import Any

import click


def value_of(n: int) -> bytes:
    """What record ``n`` holds; no two are alike, so that a lost one and a repeated one show."""
    return b"record %d" % n


def main(address: str, topic: str, first: int, last: int) -> None:
    """Send the records from ``first`` to ``last``, each once the one before it is settled."""
    from fluvio import Fluvio, FluvioConfig, FluviorError  # the parent must start without it

    try:
        producer = Fluvio.connect_with_config(FluvioConfig.new(address)).topic_producer(topic)
    except FluviorError as error:
        _tell(connected=False, error=str(error))
        return
    _tell(connected=True)
    for n in range(first, last + 1):
        try:
            offset = producer.send(b"", value_of(n)).wait().offset()
        except FluviorError as error:
            _tell(n=n, error=str(error))
            return
        _tell(n=n, offset=offset)


def _tell(**what: Any) -> None:
    click.echo(json.dumps(what))  # flushes each line


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
