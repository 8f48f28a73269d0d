"""Every network in several formats, made fast with much memory and with none: its logits beside plain MLX's.

Started by tests/conformance/test_fast_cpu.py with names of networks. All are measured by the network's weights in
float32, multiplied by MLX alone; that is computed first, before the fast library is there.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm.generate import generate_step
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import load_model
from models.tiny import TinyModel, make_model

from ostiary.worker.engines.fast_cpu import layers, widen
from ostiary.worker.engines.fast_cpu.activations import use_fast_activations
from ostiary.worker.engines.fast_cpu.arithmetic import Arithmetic, take_arithmetic

FORMATS: dict[str, dict[str, Any]] = {
    "float32": {"dtype": "float32"},
    "bfloat16": {"dtype": "bfloat16"},
    "float16": {"dtype": "float16"},
    "4-bit": {"dtype": "bfloat16", "bits": 4},
    "8-bit": {"dtype": "float16", "bits": 8},
}
USUAL = ("float32", "bfloat16", "4-bit")
BUDGETS = {"much": 1 << 40, "none": 0, "some": 20_000}
PROMPT = [(37 * place + 11) % 256 for place in range(24)]
ANSWER_TOKENS = 64
ALONE = 4
"""The last tokens of the prompt go through the network one by one."""


def compute(model: Any) -> Any:
    caches = make_prompt_cache(model)
    ids = mx.array([PROMPT])
    together = len(PROMPT) - ALONE
    logits = [model(ids[:, :together], cache=caches)]
    logits += [model(ids[:, place : place + 1], cache=caches) for place in range(together, len(PROMPT))]
    joined = mx.concatenate(logits, axis=1).astype(mx.float32)
    mx.eval(joined)
    return joined


def answer(model: Any) -> list[int]:
    steps = generate_step(mx.array(PROMPT), model, max_tokens=ANSWER_TOKENS)
    return [int(token) for token, _ in steps]


def load(tiny: TinyModel) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        model, _ = load_model(tiny.write(Path(folder)))
        mx.eval(model.parameters())
    return model


def compare(got: Any, wanted: Any) -> dict[str, float]:
    return {
        "error": (abs(got - wanted).max() / abs(wanted).max()).item(),
        "same": (got.argmax(-1) == wanted.argmax(-1)).mean().item(),
    }


def try_plain(tiny: TinyModel, wanted: Any) -> dict[str, float] | None:
    """None: MLX has no kernel for it."""
    try:
        return compare(compute(load(tiny)), wanted)
    except RuntimeError:
        return None


def widen_all(model: Any, budget: int, arithmetic: Arithmetic) -> dict[str, Any]:
    done = widen.widen_network(model, budget, arithmetic)
    return {"wide": done.wide_layers, "stored": done.stored_layers, "grown": done.grown_bytes}


def main() -> None:
    which, depth, *names = sys.argv[1:]
    mx.set_default_device(mx.cpu)
    mx.disable_compile()
    layers.PIECE_NUMBERS = 1 << 10  # small networks have several pieces too
    forms = FORMATS if depth == "all" else {form: FORMATS[form] for form in USUAL}
    budgets = BUDGETS if depth == "all" else {"much": BUDGETS["much"], "none": BUDGETS["none"]}
    told: list[dict[str, Any]] = []
    wanted: list[Any] = []
    for name in names:
        for form, options in forms.items():
            tiny = make_model(name, **options)
            reference = load(tiny)
            entry: dict[str, Any] = {"name": name, "form": form}
            if form == "float32" and depth == "all":
                entry["plain_answer"] = answer(reference)
            widen_all(reference, BUDGETS["much"], Arithmetic())
            wanted.append(compute(reference))
            entry["plain"] = try_plain(tiny, wanted[-1])
            told.append(entry)
    library = take_arithmetic() if which == "library" else Arithmetic()
    use_fast_activations()
    for entry, logits in zip(told, wanted, strict=True):
        tiny = make_model(entry["name"], **FORMATS[entry["form"]])
        for budget, size in budgets.items():
            model = load(tiny)
            done = widen_all(model, size, library)
            entry[budget] = {**done, **compare(compute(model), logits)}
            if "plain_answer" in entry:
                entry[budget]["answer"] = answer(model)
        sys.stdout.write(json.dumps({**entry, "library": library.name}) + "\n")


if __name__ == "__main__":
    main()
