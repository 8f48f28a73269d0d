"""The wall of whichever system this is: put up, and carried from the cell that compiled it to the worker."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Collection
from typing import Final, TypeAlias

from ostiary._hazmat import capabilities, namespaces, wall_darwin, wall_linux
from ostiary._hazmat.wall_darwin import DarwinWall
from ostiary._hazmat.wall_linux import LinuxWall

Wall: TypeAlias = LinuxWall | DarwinWall

_KINDS: Final[dict[str, type[LinuxWall] | type[DarwinWall]]] = {"linux": LinuxWall, "darwin": DarwinWall}


def apply_wall(
    wall: Wall,
    *,
    keep: Collection[int] = (),
    parent: int | None = None,
    hand_over: Callable[[int | None], None] | None = None,
) -> None:
    """Put up every layer of `wall` around this process: see `wall_linux.apply`.

    Where there is no listener, as on macOS, `hand_over` is called with None once the wall stands.
    """
    if isinstance(wall, LinuxWall):
        wall_linux.apply(wall, keep=keep, parent=parent, hand_over=hand_over)
        return
    wall_darwin.apply(wall, keep=keep)
    if hand_over is not None:
        hand_over(None)


def prepare_for_children(wall: Wall) -> None:
    """In a fork server, once, after all its imports: what every worker of it can share. Not needed, only faster."""
    if not isinstance(wall, LinuxWall):
        return
    if wall.shared_namespaces:
        namespaces.enter_for_children(wall.shared_namespaces, wall.machine)
    if wall.drops_privileges:
        capabilities.bound_for_children()


def render_wall(wall: Wall) -> bytes:
    """As JSON, for the process that applies it."""
    kind = "linux" if isinstance(wall, LinuxWall) else "darwin"
    fields = {
        name: {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for name, value in wall._asdict().items()
    }
    return json.dumps({"kind": kind, "fields": fields}).encode()


def parse_wall(text: bytes) -> Wall:
    """What `render_wall` wrote. Only ever read from the cell that compiled it, never from a worker."""
    whole = json.loads(text)
    fields = whole["fields"]
    for name, value in fields.items():
        if isinstance(value, dict):
            fields[name] = base64.b64decode(value["base64"])
        elif isinstance(value, list):
            fields[name] = tuple(tuple(item) if isinstance(item, list) else item for item in value)
    return _KINDS[whole["kind"]](**fields)
