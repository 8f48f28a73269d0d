"""What is started for a fork server: this very interpreter, with nothing of the application's around it."""

from __future__ import annotations

import json
import os
import site
import sys
from pathlib import Path
from typing import Final

from ostiary.core.frames import JsonObject
from ostiary.core.values import dataclass

_SCRIPT: Final = Path(__file__).resolve().parents[1] / "worker" / "__main__.py"
_SEPARATOR: Final = os.pathsep

# Libraries that start threads when they are imported, or ask the network, are told not to.
_QUIET: Final = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",  # huge pages halve what loading costs (docs/vault.md)
    "HF_HUB_OFFLINE": "1",
    "LC_ALL": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",  # with more, the C library reads files of the kernel's when threads allocate
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_OFFLINE": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class WorkerProgram:
    """Workers that are alike in this come from the same fork server."""

    engine: str
    settings: str = "{}"
    """As JSON, so that equal ones are equal; see `write_settings`."""
    forks: bool = sys.platform == "linux"
    """False: each worker is a process that imports its engine itself. Slower, and shares nothing with any other."""
    script: str | None = None
    """For tests: a program that brings engines of its own."""
    shares_namespaces: bool = True
    """Whether the walls of its workers have the layer NAMESPACES: what all can share is made once."""
    inherits_environment: bool = False
    """Only without the layer ENVIRONMENT."""
    inherits_descriptors: bool = False
    """Only without the layer DESCRIPTORS."""

    def write_command(self, interpreter: str, descriptor: int) -> list[str]:
        return [interpreter, "-I", str(_SCRIPT), "forks", str(descriptor), *([self.script] if self.script else [])]

    def write_environment(self, directory: str) -> dict[str, str]:
        """`directory`: private, empty and removed at the end; nothing is expected to write there."""
        own = {**_QUIET, "HOME": directory, "TMPDIR": directory}
        return {**os.environ, **own} if self.inherits_environment else own

    def write_configuration(self, directory: str, *, has_process: bool) -> JsonObject:
        return {
            "engine": self.engine,
            "settings": json.loads(self.settings),
            "forks": self.forks,
            "directory": directory,
            "has_process": has_process,
            "search": list(find_search_path()),
        }


def write_settings(settings: JsonObject) -> str:
    """Raises ValueError or TypeError where they are not JSON."""
    return json.dumps(settings, sort_keys=True, allow_nan=False, separators=(",", ":"))


def find_search_path() -> tuple[str, ...]:
    """Where this application finds packages and an isolated interpreter would not look: the places that a person
    chose, after all others. Never the current directory, nor the one that the application's own script lies in.
    """
    chosen = os.environ.get("PYTHONPATH", "").split(_SEPARATOR) if not sys.flags.ignore_environment else []
    if site.ENABLE_USER_SITE:
        chosen.append(site.getusersitepackages())
    return tuple(place for place in chosen if place in sys.path and Path(place).is_absolute())
