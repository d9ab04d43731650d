"""The recordings of the repository, and changes to them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaos.conformance.fields import Own
from chaos.conformance.recording import ExchangeMatcher, Recording, What, load_recording
from chaos.conformance.session import own_objects
from chaos.conformance.setup import load_setup, setup_path
from wire.codec import decode, encode
from wire.framing import RESPONSE_BYTES_MIN

FOLDER = Path(__file__).parents[2] / "golden" / "real"
PATHS = sorted(FOLDER.glob("*.jsonl"))
NAMES = [path.stem for path in PATHS]


def load(name: str) -> tuple[Recording, Own]:
    """A recording, and what selects its own objects."""
    path = FOLDER / f"{name}.jsonl"
    recording = load_recording(path)
    return recording, own_objects(recording, load_setup(setup_path(path)))


def with_answer(
    recording: Recording,
    connection: int,
    number: int,
    change: Callable[[Any], Any | None],
    *,
    position: int = 0,
) -> Recording:
    """A recording in which one answer is changed; it is left out if the change returns None.

    Args:
        recording: the recording.
        connection: the connection of the request.
        number: the position of the request on its connection.
        change: changes the message, or returns another one.
        position: the position of the answer among those of its request.
    """
    matcher, events = ExchangeMatcher(), []
    for event in recording.events:
        exchange = matcher.add(event)
        if (
            event.what is What.ANSWER
            and exchange is not None
            and exchange.key == (connection, number)
            and len(exchange.answers) == position + 1
        ):
            assert exchange.api is not None
            version = exchange.header.api_version
            message = change(
                decode(exchange.api.response, event.frame[RESPONSE_BYTES_MIN:], version)
            )
            if message is not None:
                correlation_id = event.frame[:RESPONSE_BYTES_MIN]
                changed = correlation_id + encode(message, version)
                events.append(replace(event, frame=changed))
        else:
            events.append(event)
    return Recording(recording.name, events)
