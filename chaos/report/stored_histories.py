"""``python -m chaos.report.stored_histories FOLDER``: histories that the project stores, as pages.

A stored history is readable text of one run over real sockets, without what belongs to the machine
and the day: the run begins at ``BEGINS_MS``, times have four decimals, and the ports of clients are
numbers from 1. The judge reads it as every other history. Beside it lies the page that ``story``
makes of it; the command writes all pages of a folder again, without running a client.
"""

import json
import sys
from base64 import b64decode, b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

from crc32c import crc32c

from chaos.consumption import digest_of
from chaos.history import History
from chaos.oracle.judge import judge
from chaos.report.html.story import story_html
from wire.batch import CRC_START, HEADER, PREAMBLE_BYTES

BEGINS_MS = 1_767_225_600_000
"""When the run of every stored history begins, in milliseconds since 1970: 2026-01-01, midnight."""

DECIMALS = 4
"""How many decimals of a second are stored."""

_MS = 10**6  # in nanoseconds
_STEP_NS = 10 ** (9 - DECIMALS)


def stored_form(history: History, about: dict[str, str]) -> str:
    """Return the text in which a history is stored; stored once more, it stays the same.

    The bytes of a request frame that did not arrive whole are left out.

    Args:
        history: a run over real sockets; if the clock of its client was not read, timestamps stay.
        about: what replaces ``History.about``: the file, the client, the command.
    """
    shift_ms = history.zero_ns[0] // _MS - BEGINS_MS if history.zero_ns else 0
    digests = {
        digest_of(record): digest_of(replace(record, timestamp_ms=record.timestamp_ms - shift_ms))
        for logs in history.incarnations
        for log in logs.values()
        for record in log
    }
    ports: dict[int, int] = {}
    header, *lines = history.dumps().splitlines()
    form: list[dict[str, Any]] = [json.loads(header) | {"about": about}]
    for line in lines:
        data = json.loads(line, parse_float=lambda text: round(float(text), DECIMALS))
        match data:
            case {"event": _}:
                _rewrite_event(data, shift_ms, digests, ports)
            case {"log": _, "records": rows}:
                for row in rows:
                    row[1] -= shift_ms
            case {"record": dict(record)}:
                for report in (record, *record.get("contradictions", ())):
                    if "timestamp" in report:
                        report["timestamp"] -= shift_ms
            case {"end": {"zero_ns": zeros} as end}:
                end["zero_ns"] = [(ns - shift_ms * _MS) // _STEP_NS * _STEP_NS for ns in zeros]
        form.append(data)
    return "".join(f"{json.dumps(data, ensure_ascii=False)}\n" for data in form)


def _rewrite_event(
    data: dict[str, Any], shift_ms: int, digests: dict[str, str], ports: dict[int, int]
) -> None:
    data.pop("data", None)
    if "port" in data:
        data["port"] = ports.setdefault(data["port"], len(ports) + 1)
    if "digests" in data:
        data["digests"] = [digests.get(digest, digest) for digest in data["digests"]]
    for entry in data.get("carried", ()):
        entry[2] = b64encode(_restamped(b64decode(entry[2]), shift_ms)).decode()


def _restamped(batches: bytes, shift_ms: int) -> bytes:
    """Return the batches of a request with other times; their records hold differences only."""
    parts, at = [], 0
    while len(batches) - at >= HEADER.size:
        fields = list(HEADER.unpack_from(batches, at))
        end = at + PREAMBLE_BYTES + fields[1]
        fields[7] -= shift_ms  # the first timestamp
        fields[8] -= shift_ms  # the last one
        payload = batches[at + HEADER.size : end]
        fields[4] = crc32c(HEADER.pack(*fields)[CRC_START:] + payload)
        parts.append(HEADER.pack(*fields) + payload)
        at = end
    return b"".join((*parts, batches[at:]))


def page_of(path: Path) -> str:
    """Return the page of a stored history.

    Raises:
        OSError: the file cannot be read.
        HistoryError: the history is damaged.
    """
    history = History.loads(path.read_text(encoding="utf-8"))
    return story_html(history, judge(history), file=path.name)


def write_pages(folder: Path) -> None:
    """Write the pages of the stored histories of a folder.

    Raises:
        OSError: a file cannot be read or written.
        HistoryError: a history is damaged.
    """
    for path in sorted(folder.glob("*.jsonl")):
        path.with_suffix(".html").write_text(page_of(path), encoding="utf-8")


def store(folder: Path, histories: dict[str, str]) -> None:
    """Replace the stored histories of a folder, and their pages.

    Args:
        folder: the folder, which is made if it is not there.
        histories: by the names of the files without a suffix, what ``stored_form`` returned.

    Raises:
        OSError: a file cannot be written or removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.jsonl", "*.html"):
        for path in folder.glob(pattern):
            path.unlink()
    for name, text in histories.items():
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    write_pages(folder)


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
