"""Operations of MLX that a graph cannot hold, and why: for the page on primitives."""

from __future__ import annotations

from typing import Final

UNCOVERED: Final[tuple[tuple[str, str], ...]] = (
    (
        "`fast.metal_kernel`, `fast.cuda_kernel`",
        "They are code in another language, which a graph never carries.",
    ),
    ("`load`, `import_function`", "They read files; all numbers of a function are in graph.safetensors."),
    (
        "`compile`",
        "It writes and runs programs. A function that was compiled is traced as what it computes.",
    ),
    ("distributed operations", "They talk to other machines, which nothing behind the wall can."),
    (
        "`custom_function`",
        "MLX does not tell what it holds: export the function within. `checkpoint` within a function is left out.",
    ),
    (
        "`linalg.lu`, `linalg.lu_factor`, `linalg.solve`",
        "MLX does not tell the arguments of the factorisation; `linalg.inv` and `linalg.qr` are covered.",
    ),
    (
        "`segmented_mm`, `block_masked_mm`",
        "No layer of mlx.nn uses them, and MLX does not tell the arguments of the first.",
    ),
    (
        "`qqmm`, `gather_qqmm`",
        "MLX does not tell their arguments, and has no kernel for them on processors.",
    ),
    ("`to_fp8`, `from_fp8`", "MLX does not tell their arguments."),
    ("float64", "MLX computes it on processors only, so a function would not run on a GPU. Use float32."),
    (
        "complex inputs and outputs",
        "The Open Inference Protocol has no word for them. Within a graph they are covered.",
    ),
    (
        "loops and choices by data",
        "A trace holds the one way that was taken. Choose with `where`, and write loops out.",
    ),
    ("shapes that follow data", "Each size must be known before a call runs."),
)
"""What it is, and why."""
