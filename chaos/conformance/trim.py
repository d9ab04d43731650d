"""Trims a recording to what is compared.

A cluster on which a session was recorded has other topics, and each watch describes all of them:
they are most of the bytes. What is left out is what the comparison leaves out: the objects of
topics that are not the session's, and news that had nothing else.
"""

from dataclasses import replace

from chaos.conformance.fields import LISTS, UPDATES, Own
from chaos.conformance.recording import (
    ExchangeMatcher,
    RecordedEvent,
    RecordedExchange,
    Recording,
    What,
)
from wire.api import LIST, WATCH
from wire.api.envelope import seal
from wire.codec import decode, encode
from wire.framing import RESPONSE_BYTES_MIN


def trimmed(recording: Recording, own: Own) -> Recording:
    """Return a recording without the objects that are not the session's.

    Raises:
        WireError: a frame does not decode.
    """
    matcher, events = ExchangeMatcher(), []
    for event in recording.events:
        exchange = matcher.add(event)
        if event.what is What.ANSWER and exchange is not None:
            kept = _trimmed_answer(event, exchange, own)
        else:
            kept = event
        if kept is not None:
            events.append(kept)
    return Recording(recording.name, events)


def _trimmed_answer(
    event: RecordedEvent, asked: RecordedExchange, own: Own
) -> RecordedEvent | None:
    """Return an answer without the objects of others; None for news that have no others."""
    api, version = asked.api, asked.header.api_version
    if api is not LIST and api is not WATCH:
        return event
    correlation_id, body = event.frame[:RESPONSE_BYTES_MIN], event.frame[RESPONSE_BYTES_MIN:]
    message = decode(api.response, body, version)
    label = message.object.label
    models = LISTS if api is LIST else UPDATES
    if label not in models:
        return event
    content = message.object.open(models[label], version)
    if api is LIST:
        content.objects = [thing for thing in content.objects if own(label, thing.name)]
    else:
        content.all = [thing for thing in content.all if own(label, thing.name)]
        content.changes = [each for each in content.changes if own(label, each.content.name)]
        is_news = len(asked.answers) > 1
        if is_news and not content.all and not content.changes:
            return None
    message.object = seal(label, content, version)
    return replace(event, frame=correlation_id + encode(message, version))
