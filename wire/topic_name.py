"""The names that a topic may have (``fluvio-sc-schema/src/shared.rs``)."""

import re

TOPIC_NAME_MAX = 63
"""The longest name of a topic, in bytes."""

SYSTEM_TOPIC = "consumer-offset"
"""The topic that every cluster has from the start."""

TOPIC_NAME_PATTERN = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
"""The characters of a name, as a regular expression."""

_SHOWN = 1000
"""How much of a name a text shows: a text, too, has a longest length on the wire."""

_NAME = re.compile(TOPIC_NAME_PATTERN, re.ASCII)


def check_topic_name(name: str) -> str:
    """Return a name that an SC accepts.

    An SC also accepts the empty name, which this function refuses.

    Raises:
        ValueError: the name is refused; the text is that of the SC, with the start of a long name.
    """
    if len(name.encode()) > TOPIC_NAME_MAX:
        why = f"Name exceeds max characters allowed {TOPIC_NAME_MAX}"
    elif not _NAME.fullmatch(name):
        why = "Contain only lowercase alphanumeric characters or '-'"
    else:
        return name
    raise ValueError(f"Invalid topic name: '{name[:_SHOWN]}'. {why}")
