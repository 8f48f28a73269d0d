"""Each room's docstring is its card; its last two lines say what the code does."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import ostiary
from ostiary import errors
from ostiary.core import tickets
from ostiary.record.events import EVENT_TYPES

SOURCE = Path(ostiary.__file__).parent
ROOMS = (
    "graph",
    "intake",
    "record",
    "trust",
    "vault",
    "cell",
    "contract",
    "admission",
    "answer",
    "embed",
    "exporter",
    "gateway",
)
FIELDS = ("In", "Out", "Trusts", "Refuses", "Emits")

# A refusal raised through a helper of core counts as the class that the helper makes.
_RAISED_BY = {"refuse": "IntakeRefused", "refusal_of": "IntakeRefused"}


def _card(room: str) -> dict[str, str]:
    doc = inspect.cleandoc(ast.get_docstring(ast.parse((SOURCE / room / "__init__.py").read_text())) or "")
    assert re.match(r"[A-Z].*[.]\n\n", doc, re.DOTALL), f"{room} has no sentence of its own"
    return dict(re.findall(r"^([A-Z][a-z]+): (.+)$", doc, re.MULTILINE))


def _calls(room: str) -> set[str]:
    names = set()
    for path in (SOURCE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                names.add(node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", ""))
    return names


def test_every_package_but_the_known_ones_is_a_room() -> None:
    packages = {p.parent.name for p in SOURCE.glob("*/__init__.py")}
    assert packages == {
        *ROOMS,
        "codes",
        "core",
        "cli",
        "interpreter",
        "library",
        "networks",
        "walks",
        "worker",
        "_hazmat",
    }


@pytest.mark.parametrize("room", ROOMS)
def test_a_card_has_its_lines_in_order(room: str) -> None:
    assert tuple(_card(room)) == FIELDS


@pytest.mark.parametrize("room", ROOMS)
def test_the_refuses_line_names_the_refusals_of_the_code(room: str) -> None:
    refusals = {c.__name__ for c in vars(errors).values() if inspect.isclass(c) and issubclass(c, errors.Refusal)}
    raised = {_RAISED_BY.get(name, name) for name in _calls(room)} & refusals
    said = set(re.findall(r"[A-Z]\w+", _card(room)["Refuses"]))
    assert said == raised


@pytest.mark.parametrize("room", ROOMS)
def test_the_emits_line_names_the_events_of_the_code(room: str) -> None:
    kinds = {cls.__name__: kind for kind, cls in EVENT_TYPES.items()}
    emitted = {kinds[name] for name in _calls(room) if name in kinds}
    said = set(re.findall(r"[a-z_]+\.[a-z_]+", _card(room)["Emits"]))
    assert said == emitted


def test_the_out_line_of_a_room_with_a_ticket_names_it() -> None:
    for name, cls in vars(tickets).items():
        if hasattr(cls, "printed_by"):
            out = _card(cls.printed_by.removeprefix("ostiary."))["Out"].split(" -> ")[-1]
            assert name in re.split(r"\W+", out)
