"""Where every process that the cell starts begins: a fork server, or a single worker where nothing is forked."""

from __future__ import annotations

import os
import runpy
import signal
import socket
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final

from ostiary._hazmat.spawn import fork_away
from ostiary.worker.engines.contract import PrepareEngine
from ostiary.worker.fork_server import serve_forks
from ostiary.worker.run import name_process, run_single

ENGINES: Final[Mapping[str, str]] = {
    "arrays": "ostiary.worker.engines.arrays",
    "fake": "ostiary.worker.engines.fake",
    "function": "ostiary.worker.engines.function",
    "language": "ostiary.worker.engines.language",
}
"""Every engine by name, with its module. A model never names one: the application does."""


class NoSuchEngineError(Exception):
    """The application asked for what is not there. Its name is all that is told."""


SERVER: Final = "forks"
SINGLE: Final = "single"


def begin(command: Sequence[str], engines: Mapping[str, PrepareEngine] | None = None) -> None:
    """`command`: this program, SERVER or SINGLE, a descriptor, and for tests a program to run instead.

    That program calls `begin` again, with engines of its own.
    """
    if len(command) > 3 and engines is None:
        runpy.run_path(command[3], {"command": command}, "__main__")
        return
    own_engines = engines or {}

    def find(name: str) -> PrepareEngine:
        """Raises NoSuchEngineError, or ImportError."""
        if name in own_engines:
            return own_engines[name]
        if name not in ENGINES:
            raise NoSuchEngineError
        prepare: PrepareEngine = import_module(ENGINES[name]).prepare_engine
        return prepare

    _forget_signals()
    os.umask(0o077)
    control = socket.socket(fileno=int(command[2]))
    control.set_inheritable(False)
    if command[1] == SINGLE:
        run_single(control, find)
    else:
        fork_away()
        name_process("ostiary-forks")
        serve_forks(control, find, command)


def _forget_signals() -> None:
    """Whatever the application ignores or holds back came along with its process; none of it is ours."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        if signal.getsignal(number) is not signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
