"""The driver ``fluvio-rust``: the official Rust client, a program in ``examples/rust-driver``."""

from pathlib import Path

from chaos.drivers.program import open_program
from chaos.drivers.registry import (
    OFFICIAL_ENVIRONMENT,
    OFFICIAL_RUST,
    DriverKind,
    register_driver,
)

RELEASE = Path(__file__).parents[3] / "examples" / "rust-driver" / "target" / "release"
"""Where ``make rust`` puts what it builds."""

PROGRAM = RELEASE / "rust-driver"

NOT_BUILT = "the official Rust client is not built; run make rust, which needs cargo"


def is_built() -> bool:
    """Return whether the program is there."""
    return PROGRAM.is_file()


register_driver(
    DriverKind(
        word=OFFICIAL_RUST,
        text="The official Rust client, in a process of its own; make rust builds it.",
        open=lambda _: open_program([str(PROGRAM)], OFFICIAL_ENVIRONMENT),
        worlds=("tcp", "cluster"),
        unavailable=lambda: None if is_built() else NOT_BUILT,
    )
)
