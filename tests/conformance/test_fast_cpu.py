# ruff: noqa: E402 (the judges are imported once it is known that they are there)
"""A fast library behind MLX, and weights widened or not: the same numbers to rounding, for every network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")

from models.settings import NETWORKS

import ostiary
from ostiary.cell.blas import choose_blas, find_blas

pytestmark = [
    pytest.mark.mlx,
    pytest.mark.skipif(sys.platform != "linux", reason="macOS has a library of its own"),
]

SOURCE = Path(ostiary.__file__).resolve().parents[1]
TESTS = Path(__file__).resolve().parents[1]
FLOAT32 = 2.0**-24
CHOSEN = ["llama", "gemma2", "qwen3_moe", "gpt2"]
GROUPS = [sorted(set(NETWORKS) - set(CHOSEN))[start::4] for start in range(4)]


def run(script: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{SOURCE}{os.pathsep}{TESTS}", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(TESTS / "fast_cpu" / script), *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def has_library() -> bool:
    return choose_blas(find_blas()) is not None


@pytest.mark.skipif(not has_library(), reason="no fast library is installed here")
def test_products_are_right_to_rounding() -> None:
    told = json.loads(run("products.py"))
    assert told["library"] != "MLX's own"
    for form, error in told["errors"].items():
        assert error < 130 * FLOAT32, form  # as many as are added up at most
    assert told["added"] == [22.0] * 5
    assert told["twice"]


@pytest.mark.parametrize("names", GROUPS, ids=[f"{group[0]}-and-others" for group in GROUPS])
def test_networks_say_the_same_to_rounding(names: list[str]) -> None:
    check_networks("library" if has_library() else "own", "usual", names)


@pytest.mark.parametrize("arithmetic", ["library", "own"])
def test_networks_say_the_same_in_every_format_with_any_memory(arithmetic: str) -> None:
    if arithmetic == "library" and not has_library():
        pytest.skip("no fast library is installed here")
    check_networks(arithmetic, "all", CHOSEN)


def check_networks(arithmetic: str, depth: str, names: list[str]) -> None:
    told = [json.loads(line) for line in run("networks.py", arithmetic, depth, *names).splitlines()]
    assert {each["name"] for each in told} == set(names)
    for each in told:
        check_network(each, is_fast=arithmetic == "library")


def check_network(told: Mapping[str, Any], *, is_fast: bool) -> None:
    label = f"{told['name']} in {told['form']}"
    budgets = [budget for budget in ("much", "some", "none") if budget in told]
    for budget in budgets:
        if is_fast or budget == "much":  # else MLX's own products of 16 bits do the work
            assert told[budget]["error"] < 3e-5, f"{label}, memory: {budget}"
            assert told[budget]["same"] == 1, f"{label}, memory: {budget}"
        assert told[budget].get("answer") == told.get("plain_answer"), f"{label}, memory: {budget}"
    assert told["much"]["stored"] == 0, label
    if told["form"] == "float32":
        assert told["much"]["grown"] == told["none"]["grown"] == 0, label
        assert told["plain"]["error"] < 3e-5, label
        return
    assert told["none"]["wide"] == 0, label
    grown = [told[budget]["grown"] for budget in reversed(budgets)]
    assert grown == sorted(grown), label
    if told["plain"] is not None:  # float32 loses less than 16 bits do
        assert told["much"]["error"] < told["plain"]["error"], label
