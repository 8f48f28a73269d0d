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


def load_limit_rules(chosen: Path | None = None) -> LimitRules:
    """From the file that is named (`--config`, else OSTIARY_CONFIG), or the usual one where it exists."""
    named = chosen or (Path(os.environ[SETTINGS_VARIABLE]) if os.environ.get(SETTINGS_VARIABLE) else None)
    path = named or _usual_path()
    shown = quote_untrusted(path.name)
    try:
        data = _read(path)
    except FileNotFoundError as error:
        if named is None:
            return NO_RULES
        raise Misuse(
            USAGE, f"there is no file of settings {shown}", hint="Name another with --config FILE."
        ) from error
    except OSError as error:
        raise Misuse(USAGE, f"{shown} cannot be read: {explain_os_error(error)}") from error
    return parse_config(data, path.name)


def _usual_path() -> Path:
    import platformdirs  # noqa: PLC0415  # only where nothing is named

    return Path(platformdirs.user_config_dir("ostiary", appauthor=False)) / SETTINGS_FILE


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
