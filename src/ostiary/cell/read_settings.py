"""Where the file of settings lies, and its bytes. Whoever may write to it decides what models may use."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from ostiary.cell.limits_file import NO_RULES, LimitRules, parse_config
from ostiary.core.limits import MAX_SETTINGS_BYTES
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.errors import CELL_LIMITS_MALFORMED, USAGE, Misuse

SETTINGS_VARIABLE: Final = "OSTIARY_CONFIG"
SETTINGS_FILE: Final = "ostiary.toml"


def find_settings_path(chosen: Path | None = None) -> Path:
    """`--config`, else OSTIARY_CONFIG, else the usual place, whether there is a file or not."""
    named = _find_named(chosen)
    if named is not None:
        return named
    import platformdirs  # noqa: PLC0415  # only where nothing is named

    return Path(platformdirs.user_config_dir("ostiary", appauthor=False)) / SETTINGS_FILE


def load_limit_rules(chosen: Path | None = None) -> LimitRules:
    """What the file of settings says. Only the one in the usual place may be absent."""
    data = read_settings_bytes(chosen)
    return NO_RULES if data is None else parse_config(data, find_settings_path(chosen).name)


def read_settings_bytes(chosen: Path | None = None) -> bytes | None:
    """The file of settings; None where there is none and need not be. Raises Misuse."""
    path = find_settings_path(chosen)
    shown = quote_untrusted(path.name)
    try:
        return _read(path)
    except FileNotFoundError as error:
        if _find_named(chosen) is None:
            return None
        raise Misuse(
            USAGE, f"there is no file of settings {shown}", hint="Name another with --config FILE."
        ) from error
    except OSError as error:
        raise Misuse(USAGE, f"{shown} cannot be read: {explain_os_error(error)}") from error


def _find_named(chosen: Path | None) -> Path | None:
    named = os.environ.get(SETTINGS_VARIABLE)
    return chosen or (Path(named) if named else None)


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise Misuse(USAGE, f"{quote_untrusted(path.name)} is not a regular file")
        if found.st_mode & stat.S_IWOTH:
            raise Misuse(
                CELL_LIMITS_MALFORMED,
                f"{quote_untrusted(path.name)} can be written by everybody",
                hint="Take that away: chmod o-w on the file of settings.",
            )
        with os.fdopen(os.dup(descriptor), "rb") as file:
            return file.read(MAX_SETTINGS_BYTES + 1)
    finally:
        os.close(descriptor)
