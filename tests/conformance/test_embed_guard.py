# ruff: noqa: E402 (MLX is imported once it is known that it is there)
"""What MLX raises, provoked for real: each a documented error, without a path or a shape; and checks of arrays."""

from __future__ import annotations

import math
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")
mlx_lm = pytest.importorskip("mlx_lm")
np = pytest.importorskip("numpy")

from embed_tools import publish
from mlx import nn
from models.tiny import make_model

from ostiary import embed
from ostiary.embed import Check, finite, guard, indices, shape, token_ids
from ostiary.embed.checks import Unfit
from ostiary.errors import EmbedFailed, EmbedRefused, render_public
from ostiary.networks.failures import FAILURES
from ostiary.testing import capture_events

pytestmark = pytest.mark.mlx


def multiply(_place: Path) -> None:
    mx.eval(mx.zeros((2, 3)) @ mx.zeros((4, 5)))


def open_what_is_not_there(place: Path) -> None:
    mx.load(str(place / "secret.safetensors"))


def read_a_malformed_file(place: Path) -> None:
    (place / "secret.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{}")
    mx.load(str(place / "secret.safetensors"))


def read_what_became_shorter(place: Path) -> None:
    file = place / "secret.safetensors"
    mx.save_safetensors(str(file), {"a": mx.zeros((64, 64))})
    array = mx.load(str(file))["a"]
    with file.open("r+b") as there:
        there.truncate(300)
    mx.eval(array)


def write_more_than_may_be(place: Path) -> None:
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, usual[1]))
    try:
        mx.save_safetensors(str(place / "secret.safetensors"), {"a": mx.zeros((1000, 1000))})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def multiply_experts(_place: Path) -> None:
    if mx.default_device() != mx.cpu:
        pytest.skip("devices have this product")
    kind = mx.bfloat16
    mx.eval(
        mx.gather_mm(mx.zeros((2, 1, 8), dtype=kind), mx.zeros((2, 8, 8), dtype=kind), rhs_indices=mx.array([0, 1]))
    )


def put_weights_where_none_belong(_place: Path) -> None:
    nn.Linear(3, 4).load_weights([("secret.weight", mx.zeros((3, 3)))])


def ask_for_a_size_past_all_numbers(_place: Path) -> None:
    mx.zeros((1 << 40, 1 << 40))


def ask_for_an_axis_that_is_not_there(_place: Path) -> None:
    mx.random.categorical(mx.zeros(()))


def take_a_number_that_does_not_fit(_place: Path) -> None:
    mx.array(1 << 70)


@pytest.mark.parametrize(
    ("provoke", "raised", "said"),
    [
        (multiply, ValueError, "shapes or values"),
        (open_what_is_not_there, RuntimeError, "could not be opened"),
        (read_a_malformed_file, RuntimeError, "malformed"),
        (read_what_became_shorter, RuntimeError, "too early"),
        (write_more_than_may_be, RuntimeError, "could not be written"),
        (multiply_experts, RuntimeError, "format"),
        (put_weights_where_none_belong, ValueError, "shapes or values"),
        (ask_for_a_size_past_all_numbers, OverflowError, "range of numbers"),
        (ask_for_an_axis_that_is_not_there, IndexError, "lacks"),
        (take_a_number_that_does_not_fit, RuntimeError, "could not do this"),
    ],
)
def test_what_mlx_raises(
    provoke: Callable[[Path], None], raised: type[Exception], said: str, tmp_path: Path
) -> None:
    with capture_events() as (events, emit), pytest.raises(EmbedFailed) as caught, guard(emit=emit):
        provoke(tmp_path)
    error = caught.value
    assert type(error.__cause__) is raised
    assert said in error.message
    assert error.message in {row.sentence for row in FAILURES}
    public = render_public(error, error.correlation_id or "")
    for text in (str(error), error.hint, public.sentence, public.hint, repr(events)):
        assert "secret" not in text
        assert str(tmp_path) not in text
        assert str(error.__cause__) not in text
    assert not any(character.isdigit() for character in error.message)


COMPILE = """
import os, sys
import mlx.core as mx
from ostiary.embed import guard
from ostiary.errors import EmbedFailed
try:
    with guard(emit=lambda event: None):
        mx.eval(mx.compile(lambda x: mx.exp(x) * x + 1)(mx.ones(7)))
except EmbedFailed as error:
    sys.exit(f"{error.message} | {error.__cause__}")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="MLX runs a compiler on Linux alone")
def test_a_compiler_that_fails(tmp_path: Path) -> None:
    compiler = tmp_path / "g++"
    compiler.write_text('#!/bin/sh\ntest "$1" = --version\n')
    compiler.chmod(0o755)
    path = [entry for entry in sys.path if entry]
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(path)}
    done = subprocess.run(
        [sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    message, _, cause = done.stderr.strip().rpartition("\n")[2].partition(" | ")
    if "Compile" not in cause:
        pytest.skip("MLX computes here without a compiler")
    assert message == "a step asked for compiling, which could not be done"


def test_a_tokenizer_that_panics_or_complains(tmp_path: Path) -> None:
    key = publish(make_model("llama"), tmp_path / "model")
    _, tokenizer = embed.load_model(tmp_path / "model", key=key)
    with capture_events() as (_, emit), pytest.raises(EmbedFailed) as caught, guard(emit=emit):
        tokenizer.decode([1 << 70])
    assert "1180591620717411303424" not in str(caught.value)


def test_a_stream_of_mlx_lm(tmp_path: Path) -> None:
    key = publish(make_model("llama"), tmp_path / "model")
    model, tokenizer = embed.load_model(tmp_path / "model", key=key)
    rows = model.model.embed_tokens.weight.shape[0]

    @guard(check={"prompt": token_ids(rows)}, emit=lambda _: None)
    def stream(prompt: Any, **options: Any) -> Any:
        yield from mlx_lm.stream_generate(model, tokenizer, prompt, **options)

    assert len(list(stream([3, 4, 5], max_tokens=4))) == 4
    with pytest.raises(EmbedRefused) as caught:
        next(stream([3, rows]))
    assert caught.value.field == "prompt"
    with pytest.raises(EmbedFailed):
        list(stream([3, 4], max_tokens=4, prompt_cache=[]))


# --- checks of arrays ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "value"),
    [
        (token_ids(5), mx.array([[0, 4]])),
        (token_ids(5), mx.array([], dtype=mx.int32)),
        (token_ids(300), mx.array([255], dtype=mx.uint8)),
        (indices(5), np.array([[0], [4]], dtype=np.int64)),
        (finite(), mx.array([1.0, -65504.0], dtype=mx.float16)),
        (finite(), mx.array([1, 2])),
        (finite(), np.ones((2, 2))),
        (finite(), mx.zeros((0, 3))),
        (shape(None, 3), mx.zeros((9, 3))),
        (shape(), mx.array(1)),
        (shape(2), np.zeros(2)),
    ],
)
def test_what_fits(check: Check, value: object) -> None:
    check(value)


@pytest.mark.parametrize(
    ("check", "value", "said"),
    [
        (token_ids(5), mx.array([0, 5]), "outside of a vocabulary of 5"),
        (token_ids(5), mx.array([[-1]]), "outside"),
        (token_ids(5), mx.array([1.0]), "no whole number"),
        (token_ids(5), mx.array([True]), "no whole number"),
        (token_ids(5), np.array([1 << 40]), "outside"),
        (indices(5), np.array([5], dtype=np.uint64), "outside of a table of 5"),
        (indices(5), np.array(["1"]), "something else than numbers"),
        (indices(5), np.array([object()]), "something else than numbers"),
        (finite(), mx.array([1.0, math.nan]), "not finite"),
        (finite(), mx.array([math.inf], dtype=mx.bfloat16), "not finite"),
        (finite(), np.array([1e300]), "not finite"),
        (shape(None, 3), mx.zeros((9, 4)), "dimension 1 is not 3"),
        (shape(3), mx.zeros((3, 1)), "does not have 1 dimension"),
    ],
)
def test_what_does_not(check: Check, value: object, said: str) -> None:
    with pytest.raises(Unfit, match=said):
        check(value)


def test_mlx_itself_says_nothing() -> None:
    """Why there are checks: this reads past the end of the table. Not computed here."""
    assert mx.zeros((4, 2))[mx.array([4])].shape == (1, 2)
