"""A fork server as on a system that has no descriptors for processes, and no /proc. Started by tests only."""

from __future__ import annotations

from ostiary.worker import fork_server
from ostiary.worker.begin import begin

if "command" in globals():
    fork_server.open_process = lambda _pid: None  # type: ignore[assignment]
    begin(globals()["command"], {"unused": lambda _settings: lambda _limits: None})  # type: ignore[dict-item]
