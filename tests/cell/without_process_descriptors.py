"""A fork server as on a system that has no descriptors for processes, and no /proc. Started by tests only."""

from __future__ import annotations

import runpy
from pathlib import Path

from ostiary.worker import fork_server

if "command" in globals():
    fork_server.open_process = lambda _pid: None  # type: ignore[assignment]
    runpy.run_path(str(Path(__file__).parent / "hostile_worker.py"), {"command": globals()["command"]})
