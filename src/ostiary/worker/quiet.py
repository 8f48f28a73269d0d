"""What Python opens files for by itself is switched off, so that behind the wall it does not look like an escape.

After this, a module that was not imported yet cannot be: ImportError, which fails one call instead of ending the
process. Engines import all they need while they are prepared.
"""

from __future__ import annotations

import codecs
import importlib
import linecache
import sys
import threading
import warnings
from importlib.machinery import BuiltinImporter, FrozenImporter
from typing import Final

# Python imports these when they are first needed.
_CODECS: Final = (
    "ascii latin-1 utf-8 utf-8-sig utf-7 utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be "
    "unicode-escape raw-unicode-escape cp437 cp1252 charmap idna punycode base64 hex zlib"
)
_MODULES: Final = ("_strptime", "stringprep")


def import_late_modules() -> None:
    """What Python and much that is written in it import only while they work."""
    for name in _CODECS.split():
        codecs.lookup(name)
    for name in _MODULES:
        importlib.import_module(name)


def quiet_interpreter() -> None:
    """For this process, for good."""
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter]
    sys.path.clear()
    sys.path_importer_cache.clear()
    # Whatever is shown of an error or a warning shows the line of source it came from.
    linecache.getlines = _no_lines
    linecache.updatecache = _no_lines
    warnings.showwarning = _say_nothing
    warnings.simplefilter("ignore")
    sys.excepthook = sys.unraisablehook = threading.excepthook = _say_nothing


def _no_lines(*_arguments: object, **_options: object) -> list[str]:
    return []


def _say_nothing(*_arguments: object, **_options: object) -> None:
    pass
