"""Runs the two commands an operator may configure: the checkpoint hook and the signing command.

No shell, an argument list as configured, input on stdin, bounded time. What the command prints on its error stream
goes to this process's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.core.limits import MAX_HOOK_MS


class CommandFailed(Exception):
    """The command did not do its work; the message says how in a few words of ours."""


def run_command(argv: Sequence[str], given: bytes, *, has_answer: bool) -> bytes:
    """What the command printed, where it has something to answer, ended well and in time."""
    # An operator's own command is what this file is for; slow to import, and few operators have one.
    import subprocess  # noqa: PLC0415

    if not argv:
        raise CommandFailed("no command")
    try:
        ended = subprocess.run(  # noqa: S603  # argv is the operator's configuration, and there is no shell
            list(argv),
            input=given,
            stdout=subprocess.PIPE if has_answer else subprocess.DEVNULL,
            timeout=MAX_HOOK_MS / 1000,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandFailed("took too long") from error
    except (OSError, ValueError) as error:
        raise CommandFailed("could not be started") from error
    if ended.returncode:
        raise CommandFailed(f"ended with status {ended.returncode}")
    return ended.stdout or b""
