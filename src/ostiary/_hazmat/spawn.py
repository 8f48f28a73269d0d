"""Starts another Python, with nothing of ours in its hands but what it is given.

For the cell. The new process begins a session of its own, so that Ctrl-C in a terminal does not reach it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence


def spawn_python(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None,
    keep: Sequence[int],
    closes_descriptors: bool = True,
) -> subprocess.Popen[bytes]:
    """Raises OSError. `environment` None: ours. `keep`: descriptors that have the same number over there."""
    if not closes_descriptors:
        for descriptor in keep:  # `pass_fds` would close the others
            os.set_inheritable(descriptor, True)
    return subprocess.Popen(  # noqa: S603  the command is ours
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        close_fds=closes_descriptors,
        pass_fds=tuple(keep) if closes_descriptors else (),
        cwd="/",
        env=environment,
        start_new_session=True,
    )


def fork_away() -> None:
    """Let go of the parent: the caller goes on in a grandchild, its process ends.

    Whoever started it can wait for it at once and is nobody's parent afterwards. One thread only.
    """
    if os.fork():
        os._exit(0)
