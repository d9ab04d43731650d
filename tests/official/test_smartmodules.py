"""The official client, unmodified, stores, lists, watches and deletes SmartModules."""

from pathlib import Path

import simulator
from tests.official.client import drive

CODE = b"\x00asm\x01\x00\x00\x00"
"""The shortest module of WebAssembly; the client compresses it."""


async def test_a_smartmodule_is_created_listed_watched_and_deleted(tmp_path: Path) -> None:
    code = tmp_path / "code.wasm"
    code.write_bytes(CODE)
    listing = {"do": "list_smartmodules"}
    async with simulator.open_simulator() as sim:
        results = await drive(
            sim,
            {"do": "create_smartmodule", "name": "first", "path": str(code)},
            {"do": "create_smartmodule", "name": "second", "path": str(code)},
            listing,
            {**listing, "names": ["second", "no-such"]},
            {"do": "watch_smartmodules"},
            {"do": "delete_smartmodule", "name": "first"},
            listing,
            {"do": "delete_smartmodule", "name": "first"},
        )
    assert results[2:5] == [
        {"smartmodules": ["first", "second"]},
        {"smartmodules": ["second"]},
        {"all": ["first", "second"]},
    ]
    assert results[6] == {"smartmodules": ["second"]}
    assert "not found" in results[7]["error"]
