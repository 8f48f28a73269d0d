"""Products by MLX with a fast library behind it, held against its own float64: the worst error of each form.

Started by tests/conformance/test_fast_cpu.py, with the kind of library that is wanted or nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import mlx.core as mx

from ostiary.cell.blas import BlasKind
from ostiary.worker.engines.fast_cpu.arithmetic import take_arithmetic

SIZES = (1, 2, 3, 17, 64, 130)
FORMS: dict[str, Callable[[Any, Any], Any]] = {
    "as they are": lambda a, b: a @ b,
    "right turned": lambda a, b: a @ mx.contiguous(b.T).T,
    "left turned": lambda a, b: mx.contiguous(a.T).T @ b,
    "both turned": lambda a, b: mx.contiguous(a.T).T @ mx.contiguous(b.T).T,
    "left apart": lambda a, b: mx.concatenate([a, a], axis=1)[:, : a.shape[1]] @ b,
    "many at once": lambda a, b: (mx.stack([a, a]) @ mx.stack([b, b]))[1],
    "one by many": lambda a, b: (mx.stack([a, a, a]) @ b)[2],
}


def measure(form: Callable[[Any, Any], Any]) -> float:
    """Relative to what the products' terms add up to."""
    worst = 0.0
    for rows in SIZES:
        for columns in SIZES:
            for depth in SIZES:
                a, b = mx.random.normal((rows, depth)), mx.random.normal((depth, columns))
                exact = a.astype(mx.float64) @ b.astype(mx.float64)
                scale = abs(a).astype(mx.float64) @ abs(b).astype(mx.float64)
                error = abs(form(a, b).astype(mx.float64) - exact) / scale
                worst = max(worst, error.max().item())
    return worst


def main() -> None:
    mx.set_default_device(mx.cpu)
    mx.disable_compile()
    mx.random.seed(1)
    arithmetic = take_arithmetic(BlasKind(sys.argv[1]) if len(sys.argv) > 1 else None)
    added = mx.addmm(mx.full((1, 5), 2.0), mx.ones((1, 7)), mx.ones((7, 5)), alpha=3.0, beta=0.5)
    told = {
        "library": arithmetic.name,
        "errors": {name: measure(form) for name, form in FORMS.items()},
        "added": added.flatten().tolist(),
        "twice": take_arithmetic(BlasKind(sys.argv[1]) if len(sys.argv) > 1 else None) is arithmetic,
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
