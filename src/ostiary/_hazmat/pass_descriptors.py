"""Descriptors sent along with the bytes of a UNIX socket.

For the cell, its fork server and the worker. Descriptors arrive in the order in which they were sent, each not
later than the first byte that it was sent with; none survives an exec.
"""

from __future__ import annotations

import array
import os
import socket
from collections.abc import Sequence
from typing import Final, NamedTuple

_ITEM_BYTES: Final = array.array("i").itemsize
_CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class Received(NamedTuple):
    """What one recvmsg(2) gave. Size 0: the other side is gone."""

    size: int
    descriptors: tuple[int, ...]
    is_cut: bool
    """Descriptors were sent that this process has no room for: the kernel dropped them."""


def send_with_descriptors(
    sock: socket.socket, buffers: Sequence[bytes | memoryview], descriptors: Sequence[int], flags: int = 0
) -> int:
    """How many bytes went; the descriptors went with the first."""
    along = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    return sock.sendmsg(buffers, along, flags)


def receive_with_descriptors(sock: socket.socket, buffer: bytearray, most: int, flags: int = 0) -> Received:
    """Into `buffer`, with up to `most` descriptors, which the caller owns."""
    room = socket.CMSG_SPACE(most * _ITEM_BYTES)
    size, along, told, _ = sock.recvmsg_into([buffer], room, flags | _CLOSE_ON_EXEC)
    descriptors = array.array("i")
    for level, kind, data in along:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % _ITEM_BYTES])
    if not _CLOSE_ON_EXEC:
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
    return Received(size, tuple(descriptors), bool(told & socket.MSG_CTRUNC))
