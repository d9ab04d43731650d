"""Where the profile file is, and reading it; ``wire/profile.py`` says what it holds."""

import os
from pathlib import Path

from producer.errors import ConfigError
from wire.profile import Profile, parse_profile

PATH_VARIABLE = "FLV_PROFILE_PATH"
"""The environment variable that names another profile file than ``~/.fluvio/config``."""

PROFILE_BYTES_MAX = 1024 * 1024
"""A profile with a few inline certificates has some kilobytes; more is another file."""


def default_path() -> Path:
    """Where the profile file is."""
    named = os.environ.get(PATH_VARIABLE)
    return Path(named) if named else Path.home() / ".fluvio" / "config"


def load_profile(name: str | None = None, path: Path | None = None) -> Profile:
    """Read one profile.

    Args:
        name: which profile; the current one if None.
        path: the file; ``default_path()`` if None.

    Raises:
        ConfigError: the file is not there or not understood, or has no such profile.
    """
    path = path or default_path()
    try:
        with path.open("rb") as file:
            text = file.read(PROFILE_BYTES_MAX + 1)
        if len(text) > PROFILE_BYTES_MAX:
            raise ConfigError(f"{path}: larger than {PROFILE_BYTES_MAX} bytes")
        return parse_profile(text.decode(), name)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: there is no profile file; give the SC's address, or set {PATH_VARIABLE}"
        ) from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except ConfigError:
        raise
    except ValueError as error:  # of the decoder too
        raise ConfigError(f"{path}: {error}") from error
