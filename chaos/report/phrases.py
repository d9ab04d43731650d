"""What is said of one entry of the journal and of one outcome: the sentences of the stories."""

import re
from collections.abc import Sequence

from chaos.history import SentRecord
from simulator.events import Entry

KEY_CHARS_MAX = 40
"""How much of a key is shown."""

_DISCONNECT = re.compile(r"disconnect (rst|fin|half-close)(?: after (\d+) bytes)?")
_REFUSES = re.compile(r"(\S+) refuses connections \((.*)\)")
_LISTENS = re.compile(r"(\S+) listens again \((.*)\)")
_AWAY = re.compile(r"(\S+) (went away|came back)")
_MOVED = re.compile(r"leader moved to (\S+)")

_ENDINGS = {"rst": "reset", "fin": "closed", "half-close": "half-closed"}
_TURNED_AWAY = {"rst": "reset", "hang": "left hanging"}


def counted(count: int, noun: str) -> str:
    """A number and what it counts, for example ``1 record``, ``20 records``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def joined(parts: Sequence[str]) -> str:
    """Words as a list: ``a``, ``a and b``, ``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def key(raw: bytes) -> str:
    """The key of a record, as text if it is text."""
    text = raw.decode(errors="backslashreplace")
    return text if len(text) <= KEY_CHARS_MAX else text[: KEY_CHARS_MAX - 3] + "..."


def printable(line: str) -> str:
    """The line without anything that moves a cursor or ends a line: names come from files."""
    return line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line)


# --- verdicts


def is_shadowed(entry: Entry) -> bool:
    """Whether a verdict had no effect, since another fault struck first."""
    return (entry.detail or "").endswith("(shadowed)")


def error_code(entry: Entry) -> str | None:
    """The code that a verdict answers with, if it is one of a fault ``error``."""
    detail = entry.detail or ""
    return detail.removeprefix("error ") if detail.startswith("error ") else None


def is_cut(entry: Entry) -> bool:
    """Whether a frame was not written in full."""
    return (entry.detail or "").startswith("cut")


def concerns(entry: Entry, topic: str, partition: int) -> bool:
    """Whether a verdict on a request struck what it carried for a partition.

    An error code hits the entries of one partition; everything else hits the frame.
    """
    if is_shadowed(entry):
        return False
    return error_code(entry) is None or (entry.topic, entry.partition) == (topic, partition)


def verdict(entry: Entry) -> str:
    """What a fault did to a request or to its answer."""
    detail, by = entry.detail or "", f"by fault {entry.fault}"
    at_request = entry.direction == "request"
    frame = "the request" if at_request else "the answer"
    ended = _DISCONNECT.fullmatch(detail)
    if ended is not None:
        return _ended(entry, ended[1], ended[2])
    code = error_code(entry)
    if code is not None:
        return f"refused with {code} {by}, not applied" if at_request else f"given {code} {by}"
    match detail.split(" ", 1):
        case ["delay", time]:
            return f"{frame} delayed by {time} {by}"
        case ["drop"]:
            effect = ": it never reaches the SPU" if at_request else ""
            return f"{frame} dropped {by}{effect}"
        case ["duplicate"]:
            return f"{frame} delivered twice {by}"
        case ["stall"]:
            effect = "read from" if at_request else "written to"
            return f"connection {entry.connection} stalled {by}: nothing more is {effect} it"
    return f"{frame} struck {by}: {detail}"


def _ended(entry: Entry, how: str, sent_bytes: str | None) -> str:
    what = f"connection {entry.connection} {_ENDINGS[how]} by fault {entry.fault}"
    if sent_bytes:
        return f"{what} after {sent_bytes} bytes of the answer"
    if entry.direction == "response":
        return f"{what} instead of the answer"
    if how == "half-close":
        return f"{what}: requests are still applied, and never answered"
    return f"{what} before the request was applied"


# --- the cluster


def around(entry: Entry) -> str:
    """What happened to the cluster, or to a connect."""
    detail = entry.detail or ""
    if entry.kind == "verdict":
        how = _TURNED_AWAY.get(detail.removeprefix("refuse, how: "), "refused")
        return f"a connect to {entry.server} {how} by fault {entry.fault}"
    if detail == "healed":
        return "all faults lifted"
    if moved := _MOVED.fullmatch(detail):
        return f"the leader of {entry.topic}/{entry.partition} moved to {moved[1]}"
    if refuses := _REFUSES.fullmatch(detail):
        return f"{refuses[1]} refuses connections by fault {refuses[2]}"
    if listens := _LISTENS.fullmatch(detail):
        return f"{listens[1]} listens again, fault {listens[2]} is over"
    return detail


def trouble(entry: Entry) -> tuple[bool | None, str | None]:
    """Whether an entry begins or ends trouble that lasts, and which; None twice if all ends."""
    detail = entry.detail or ""
    if entry.kind == "cluster":
        if detail == "healed":
            return None, None
        if away := _AWAY.fullmatch(detail):
            return away[2] == "went away", away[1]
        if refuses := _REFUSES.fullmatch(detail):
            return True, f"{refuses[1]} {refuses[2]}"
        if listens := _LISTENS.fullmatch(detail):
            return False, f"{listens[1]} {listens[2]}"
    return False, None


# --- outcomes


def told(record: SentRecord, topic: str) -> str:
    """What the client was told of a record."""
    error = f": {record.error}" if record.error else ""
    if record.told == "ok":
        return f"acknowledged: {topic}/{record.partition}@{record.offset}"
    if record.queue_full and record.taken_at is None:
        return f"not taken in by the producer{error}"
    if record.told == "failed":
        return f"reported failed, certainly not stored{error}"
    return f"reported failed, possibly stored{error}"
