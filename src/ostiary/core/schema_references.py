"""Where the schemas of a schema lie, and which of them speak of the same value. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import unquote

from ostiary.core.json_text import JsonValue
from ostiary.core.values import dataclass

Path = tuple[str, ...]


class Reference:
    """A JSON Pointer into the same schema, as `$ref` writes it."""

    @staticmethod
    def parse(value: JsonValue) -> Path | None:
        """None where it leads elsewhere, or is none."""
        if not isinstance(value, str) or not value.startswith("#"):
            return None
        pointer = unquote(value[1:])
        if not pointer:
            return ()
        if not pointer.startswith("/"):
            return None
        return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/"))


@dataclass(frozen=True, slots=True)
class Problem:
    """Of a reference."""

    path: Path
    sentence: str


class SchemaMap:
    """Filled while a schema is read, judged when all of it was seen."""

    def __init__(self) -> None:
        self._places: Final[set[Path]] = set()
        self._same: Final[dict[Path, list[Path]]] = {}
        """From a schema to those that the same value is held against: alternatives, and what it refers to."""
        self._references: Final[list[tuple[Path, Path]]] = []

    def add(self, path: Path) -> None:
        """Here is a schema."""
        self._places.add(path)

    def add_same(self, path: Path, others: Sequence[Path]) -> None:
        self._same.setdefault(path, []).extend(others)

    def refer(self, path: Path, target: Path) -> None:
        self._references.append((path, target))
        self.add_same(path, [target])

    def find_problem(self) -> Problem | None:
        """A reference to what is no schema, or a schema that is its own alternative and so never ends."""
        for path, target in self._references:
            if target not in self._places:
                return Problem((*path, "$ref"), "refers to what is no schema here")
        circle = self._find_circle()
        return None if circle is None else Problem(circle, "refers to itself with nothing in between")

    def _find_circle(self) -> Path | None:
        """Steps are taken off a list of our own: a chain of references may be longer than a stack."""
        done: set[Path] = set()
        for start in self._same:
            if start in done:
                continue
            under_way: set[Path] = set()
            todo: list[tuple[Path, bool]] = [(start, False)]
            while todo:
                path, is_left = todo.pop()
                if is_left:
                    under_way.discard(path)
                    done.add(path)
                elif path in under_way:
                    return path
                elif path not in done:
                    under_way.add(path)
                    todo.append((path, True))
                    todo.extend((other, False) for other in self._same.get(path, ()))
        return None
