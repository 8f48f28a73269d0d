"""Export as C2SP tiles (c2sp.org/tlog-tiles): plain files that any such client verifies, from disk or over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ostiary.core.values import dataclass
from ostiary.record.checkpoint import parse_checkpoint
from ostiary.record.reader import Reader
from ostiary.record.store import explain_os

_WIDTH: Final = 256
_HEIGHT: Final = 8


@dataclass(frozen=True, slots=True)
class ExportedTiles:
    """What was written: `minimum_index` is the first entry whose bundle is there; before it the log is pruned."""

    size: int
    files: int
    minimum_index: int


@dataclass(frozen=True, slots=True)
class _Tile:
    level: int
    index: int
    width: int

    def path(self, kind: str) -> str:
        groups = []
        index = self.index
        while True:
            groups.append(f"{index % 1000:03d}")
            index //= 1000
            if not index:
                break
        name = "/".join([f"x{group}" for group in reversed(groups[1:])] + groups[:1])
        return f"tile/{kind}/{name}" + ("" if self.width == _WIDTH else f".p/{self.width}")


def export_tiles(reader: Reader, directory: Path, checkpoint: bytes) -> ExportedTiles:
    """Writes the tree of this checkpoint; the checkpoint itself last, when everything that it needs is there."""
    size = parse_checkpoint(checkpoint).size
    files, minimum = 0, 0
    try:
        for tile in _list_tiles(size):
            first = tile.index * _WIDTH
            hashes = b"".join(
                reader.read_node(tile.level * _HEIGHT, index) for index in range(first, first + tile.width)
            )
            _write(directory / tile.path(str(tile.level)), hashes)
            files += 1
            if tile.level == 0:
                bodies = list(reader.read_bodies(first, first + tile.width))
                if len(bodies) == tile.width:
                    bundle = b"".join(len(body).to_bytes(2, "big") + body for _, body in bodies)
                    _write(directory / tile.path("entries"), bundle)
                    files += 1
                else:
                    minimum = first + tile.width
        _write(directory / "checkpoint", checkpoint)
    except OSError as error:
        raise explain_os(error, "exporting tiles") from error
    return ExportedTiles(size, files + 1, minimum)


def _list_tiles(size: int) -> Iterator[_Tile]:
    level, nodes = 0, size
    while nodes:
        whole, rest = divmod(nodes, _WIDTH)
        for index in range(whole):
            yield _Tile(level, index, _WIDTH)
        if rest:
            yield _Tile(level, whole, rest)
        level, nodes = level + 1, whole


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
