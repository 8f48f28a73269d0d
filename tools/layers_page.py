"""docs/reference/layers.md: which parts of mlx.nn can be exported, from the cases that try them."""

from __future__ import annotations

import importlib
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
_TRIED: Any = importlib.import_module("layer_cases")


def render_layers() -> str:
    """Every name with what it is tried with."""
    lines = [
        "# Layers",
        "",
        "What of `mlx.nn` becomes a graph. Each line is exported and computed as a graph beside MLX's own, in",
        "float32, float16 and bfloat16 (quantized layers in float32), at a batch of 1 and of 4, to rounding",
        f"(`tests/conformance/test_export_layers.py`, {len(_TRIED.CASES)} cases). A layer of a new release of MLX",
        "that is not here fails that test. *Sizes that vary* are the dims besides the batch that a case has.",
        "",
    ]
    for title, cases in _TRIED.GROUPS.items():
        lines += [f"## {title}", "", "| mlx.nn | tried as | sizes that vary |", "| --- | --- | --- |"]
        by_name: dict[str, list[Any]] = defaultdict(list)
        for case in cases:
            by_name[case.layer].append(case)
        for name in sorted(by_name, key=str.lower):
            found = by_name[name]
            variants = ", ".join(case.variant or "plain" for case in found)
            dims = sorted({dim for case in found for dim in _list_dims(case)} - {"batch"})
            prefix = "losses." if title == "Losses" else ""
            lines.append(f"| `{prefix}{name}` | {variants} | {', '.join(dims)} |")
        lines.append("")
    lines += ["## Not covered", "", "| mlx.nn | why |", "| --- | --- |"]
    lines += [f"| `{name}` | {reason} |" for name, reason in sorted(_TRIED.NOT_COVERED.items())]
    lines += [
        "",
        "`RNN`, `GRU` and `LSTM` are loops over the length of what they read, so that length is fixed when they",
        "are exported. `Dropout` and its like are what they are in inference: nothing.",
    ]
    return "\n".join(lines) + "\n"


def _list_dims(case: Any) -> set[str]:
    """Those of its inputs, which name all axes in order."""
    if not isinstance(case.dims, dict):
        return {case.dims} - {None}
    return {name for axes in case.dims.values() for name in axes if name}
