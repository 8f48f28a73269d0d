"""Another description of an open file: its own offset, its own lease, and no right to write.

For the vault and the cell.

By way of /proc, so that it is the same file whatever has become of its name.
"""

from __future__ import annotations

import os


def reopen_read_only(descriptor: int) -> int:
    """The same file at offset 0. The caller owns it. Raises OSError, also where there is no /proc."""
    # O_NONBLOCK: not even a lease of somebody else's makes this wait.
    return os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
