"""An ordinary application: it sends each line that it reads, and says how that went.

Nothing in it knows of chaos; ``docs/applications.md`` puts it on trial:

    python -m chaos run FILE... --app 'python examples/application.py {address}'
"""

import sys

import trio

from producer import Fluvio, FluvioError


async def main(address: str) -> None:
    """Send the lines of standard input to the topic ``greetings``, and wait for their delivery."""
    async with Fluvio.connect(address) as fluvio, fluvio.topic_producer("greetings") as producer:
        async for line in trio.wrap_file(sys.stdin.buffer):
            await producer.send(None, line.rstrip(b"\n"))
        await producer.flush()


if __name__ == "__main__":
    try:
        trio.run(main, sys.argv[1])
    except* FluvioError as failures:
        sys.exit(f"not all was delivered: {failures.exceptions[0]}")
