"""``spu-producer`` and ``python -m producer``: lines from standard input become records."""

import os
import sys


def run(directory: str | None = None) -> None:
    """Start the command; see ``wire/launch.py``."""
    try:
        from wire.launch import launch
    except KeyboardInterrupt:
        os._exit(130)
    launch("spu-producer", "producer.cli:run", ["wire"], directory)


if __name__ == "__main__":
    if sys.flags.safe_path:
        run()
    else:
        sys.path.append(sys.path.pop(0))
        run(sys.path[-1])
