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
    """Ticket constructors that a module calls, under whatever name it imported them.

    The worker, which never has a ticket in hand, may have classes of its own by such names.
    """
    tree = ast.parse(source)
    names = {name: name for name in TICKETS}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for item in node.names:
                if (node.module or "").startswith("ostiary.worker."):
                    names.pop(item.asname or item.name, None)
                elif item.asname and item.name in TICKETS:
                    names[item.asname] = item.name
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


def test_a_class_of_the_workers_own_is_no_ticket() -> None:
    assert _printers("from ostiary.worker.engines.language.answer import Answer\nAnswer()") == set()
    assert _printers("from ostiary.core.tickets import Answer\nAnswer()") == {"Answer"}


def test_only_the_owning_room_prints_a_ticket() -> None:
    for path in SOURCE.rglob("*.py"):
        module = ".".join(("ostiary", *path.relative_to(SOURCE).with_suffix("").parts))
        for ticket in _printers(path.read_text(encoding="utf-8")):
            assert module.startswith(f"{TICKETS[ticket]}."), f"{module} prints a {ticket}"
