"""The driver ``fluvio-node``: the official Node client, a program in ``examples/node-driver``."""

from pathlib import Path
from shutil import which

from chaos.drivers.program import open_program
from chaos.drivers.registry import (
    OFFICIAL_ENVIRONMENT,
    OFFICIAL_NODE,
    DriverKind,
    register_driver,
)

FOLDER = Path(__file__).parents[3] / "examples" / "node-driver"

CLIENT = FOLDER / "node_modules" / "@fluvio" / "client"
"""Where ``make node`` puts the client."""

NOT_INSTALLED = "the official Node client is not installed; run make node, which needs npm"


def has_node_client() -> bool:
    """Return whether the client is there, and what runs it."""
    return CLIENT.is_dir() and which("node") is not None


register_driver(
    DriverKind(
        word=OFFICIAL_NODE,
        text="The official Node client, in a process of its own; make node installs it.",
        open=lambda _: open_program(
            ["node", str(FOLDER / "driver.js")], {**OFFICIAL_ENVIRONMENT, "RUST_LOG": "off"}
        ),
        worlds=("tcp", "cluster"),
        unavailable=lambda: None if has_node_client() else NOT_INSTALLED,
    )
)
