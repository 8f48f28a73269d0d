"""What the cases try, as data that can be read without MLX: run this file to write summary.json anew."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PLACE = Path(__file__).with_name("summary.json")


def summarise() -> dict[str, Any]:
    """By primitive: how many cases, in which element types, and by how much results may differ beside their type's own."""
    from ostiary.graph.dtypes import Dtype
    from primitive_cases import CASES

    found: dict[str, dict[str, Any]] = {}
    for case in CASES:
        entry = found.setdefault(case.op, {"cases": 0, "types": [], "rounding": 0.0})
        entry["cases"] += 1
        entry["types"] = [
            dtype.value
            for dtype in Dtype
            if dtype.value in entry["types"] or (case.shapes and dtype in (*case.dtypes, *case.fixed.values()))
        ]
        entry["rounding"] = max(entry["rounding"], case.rounding)
    found["random_bits"] = {"cases": 24, "types": ["uint32", "uint16"], "rounding": 0.0}
    return dict(sorted(found.items()))


def render() -> str:
    return json.dumps(summarise(), indent=1) + "\n"


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    PLACE.write_text(render(), encoding="utf-8")
