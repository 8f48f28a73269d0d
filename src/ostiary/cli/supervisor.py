"""Tells whoever started the program how far it is, as systemd asks. Where nobody does, nothing happens."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import Final

_PLACE: Final = "NOTIFY_SOCKET"


def tell_supervisor(state: str) -> None:
    """`READY=1`, `STOPPING=1`. What fails is not told: nothing of the program's work depends on it."""
    place = os.environ.get(_PLACE, "")
    if not place.startswith(("/", "@")):
        return
    address = f"\0{place[1:]}" if place.startswith("@") else place
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as teller:
        teller.connect(address)
        teller.send(state.encode("ascii"))
