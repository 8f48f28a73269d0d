"""Only the room named on a ticket may print it."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import ostiary
from ostiary.core import tickets

SOURCE = Path(ostiary.__file__).parent

TICKETS = {
    name: cls.printed_by
    for name, cls in vars(tickets).items()
    if dataclasses.is_dataclass(cls) and hasattr(cls, "printed_by")
}


def _printers(source: str) -> set[str]:
    """Ticket constructors that a module calls, under whatever name it imported them."""
    tree = ast.parse(source)
    names = {name: name for name in TICKETS}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names.update({a.asname: a.name for a in node.names if a.asname and a.name in TICKETS})
    called = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in names:
                called.add(names[name])
    return called


def test_there_are_tickets() -> None:
    assert TICKETS["Manifest"] == "ostiary.intake"


def test_a_forged_ticket_would_be_noticed() -> None:
    assert _printers("from ostiary.core.tickets import Manifest as M\nM()") == {"Manifest"}


def test_only_the_owning_room_prints_a_ticket() -> None:
    for path in SOURCE.rglob("*.py"):
        module = ".".join(("ostiary", *path.relative_to(SOURCE).with_suffix("").parts))
        for ticket in _printers(path.read_text(encoding="utf-8")):
            assert module.startswith(f"{TICKETS[ticket]}."), f"{module} prints a {ticket}"
