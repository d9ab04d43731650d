"""``python -m chaos``: scenarios against a producer; see ``chaos/cli/main.py``."""

import os

if __name__ == "__main__":
    try:
        # Imported here, so that a Ctrl-C in this half second leaves no traceback either.
        from chaos.cli.main import cli
    except KeyboardInterrupt:
        # Not sys.exit: where the signal met code that is made from text, as dataclasses are,
        # Python remembers it and ends itself by SIGINT in spite of a status.
        os._exit(130)
    cli()
