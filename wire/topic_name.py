"""The names that a topic may have (``fluvio-sc-schema/src/shared.rs``)."""

import re

TOPIC_NAME_MAX = 63
"""The longest name of a topic, in characters."""

SYSTEM_TOPIC = "consumer-offset"
"""The topic that every cluster has from the start."""

TOPIC_NAME_PATTERN = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
"""The characters of a name, as a regular expression."""

_NAME = re.compile(TOPIC_NAME_PATTERN, re.ASCII)


def check_topic_name(name: str) -> str:
    """Return a name that an SC accepts.

    Raises:
        ValueError: an SC refuses the name; the text is that of the SC.
    """
    if len(name) > TOPIC_NAME_MAX or not _NAME.fullmatch(name):
        raise ValueError(
            f"Invalid topic name: '{name[:TOPIC_NAME_MAX]}'. At most {TOPIC_NAME_MAX} of "
            "a-z, 0-9 and '-', with no '-' at either end"
        )
    return name
