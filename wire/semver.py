"""Versions after semver.org."""

import re

_NUMBER = r"(?:0|[1-9][0-9]*)"
_WORDS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_SEMVER = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_WORDS})?(?:\+{_WORDS})?")
"""The grammar of semver.org, except that it permits leading zeros in a pre-release."""


def is_semver(text: str) -> bool:
    """Return whether a text is a version with three numbers."""
    return _SEMVER.fullmatch(text) is not None
