"""docs/reference/parity.md: what of the primitives is held against MLX, from the cases that do it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ostiary.graph.primitives import PRIMITIVES

_CASES = Path(__file__).resolve().parent.parent / "tests" / "primitive_cases" / "summary.json"
_EXACT = 1e-6


def render_parity() -> str:
    """One line for each primitive, in the order of the table of primitives."""
    tried: dict[str, Any] = json.loads(_CASES.read_text(encoding="utf-8"))
    lines = [
        "# Parity",
        "",
        "Each primitive is computed by the interpreter and by the call of MLX that a researcher would write, over",
        "shapes that are odd on purpose: without axes, without elements, of one element, stretched, strided",
        "(`tests/conformance/test_primitives.py`, which reads `tests/primitive_cases`). Shapes and element types",
        "have to be the same; integers and truth values too. Floats may differ by the part in the last column,",
        "1e-6 where it is empty, or by what the element type itself rounds by: `4e-3` of float16, `3e-2` of",
        "bfloat16. Random bits are the same bits.",
        "",
        "Beside these, every combination of element types that inference lets through is computed once, so that",
        "what MLX makes of it is what inference says. Whole layers: [layers.md](layers.md).",
        "",
    ]
    for family in dict.fromkeys(row.family for row in PRIMITIVES.values()):
        lines += [f"## {family}", "", "| primitive | cases | element types | within |", "| --- | --- | --- | --- |"]
        for row in PRIMITIVES.values():
            if row.family == family:
                lines.append(_render_row(row.name, tried[row.name]))
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _render_row(name: str, entry: dict[str, Any]) -> str:
    within = "" if entry["rounding"] <= _EXACT else f"{entry['rounding']:.0e}".replace("e-0", "e-")
    return f"| `{name}` | {entry['cases']} | {', '.join(entry['types'])} | {within} |"
