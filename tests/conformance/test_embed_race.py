# ruff: noqa: E402 (MLX is imported once it is known that it is there)
"""Whoever changes a model between its verdict and its use gets nothing in: the verified bytes, or VAULT_CHANGED."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")
mlx_lm = pytest.importorskip("mlx_lm")

from embed_tools import act_before_loading, act_before_reading, act_before_sealing, publish
from mlx.utils import tree_flatten
from models.tiny import TinyModel, dump_tensors, make_model
from vault_tools import need_method

from ostiary import embed
from ostiary.core.tickets import SealMethod
from ostiary.errors import VaultRefused

pytestmark = pytest.mark.mlx

FILES = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json")
Change = Callable[[Path, bytes], None]


def write_over(file: Path, data: bytes) -> None:
    with file.open("r+b") as there:
        there.write(data)


def put_in_place(file: Path, data: bytes) -> None:
    other = file.with_name("other")
    other.write_bytes(data)
    other.replace(file)


def link_elsewhere(file: Path, data: bytes) -> None:
    other = file.parent.with_name("elsewhere")
    other.write_bytes(data)
    file.unlink()
    file.symlink_to(other)


@pytest.fixture(scope="module")
def honest() -> TinyModel:
    return make_model("llama")


@pytest.fixture(scope="module")
def other(honest: TinyModel) -> TinyModel:
    """The same files in the same sizes with other bytes; whatever was loaded of it would be seen."""
    weights = {path: data[:-4096] + bytes(4096) for path, data in honest.weights.items()}
    contents = {
        **honest.contents,
        "config.json": honest.contents["config.json"].replace(b'"rope_theta": 10000.0', b'"rope_theta": 20000.0'),
        "tokenizer.json": honest.contents["tokenizer.json"].replace(b'"special": true', b'"special":false'),
        "tokenizer_config.json": honest.contents["tokenizer_config.json"].replace(b"assistant", b"assassins"),
    }
    return TinyModel(contents, weights)


def bytes_of(model: TinyModel, name: str) -> bytes:
    return (model.contents | model.weights)[name]


def is_honest(tensors: dict[str, Any], honest: TinyModel) -> bool:
    return dump_tensors({n: tensors[n] for n in sorted(tensors)}) == dump_tensors(load_plainly(honest))


def load_plainly(model: TinyModel) -> dict[str, Any]:
    import io

    loaded: dict[str, Any] = mx.load(io.BytesIO(model.weights["model.safetensors"]), format="safetensors")
    return {name: loaded[name] for name in sorted(loaded)}


@pytest.mark.parametrize("change", [write_over, put_in_place, link_elsewhere])
@pytest.mark.parametrize("name", FILES)
def test_changed_behind_the_verdict(  # noqa: PLR0917
    change: Change, name: str, honest: TinyModel, other: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "model"
    key = publish(honest, place)
    assert bytes_of(other, name) != bytes_of(honest, name)
    act_before_sealing(monkeypatch, lambda: change(place / name, bytes_of(other, name)))
    with pytest.raises(VaultRefused) as caught:
        embed.load_model(place, key=key)
    assert (caught.value.code, caught.value.path) == ("VAULT_CHANGED", name)
    assert caught.value.correlation_id is not None


@pytest.mark.parametrize("load", [embed.load, embed.load_model])
def test_a_whole_other_model_in_its_place(
    load: Any, honest: TinyModel, other: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signed by the same key, too. Whoever opened a file of it by name would get the other's."""
    place, aside = tmp_path / "model", tmp_path / "aside"
    key = publish(honest, place)
    shutil.copytree(place, tmp_path / "other")
    other.write(tmp_path / "other")

    def exchange() -> None:
        place.rename(aside)
        (tmp_path / "other").rename(place)

    act_before_loading(monkeypatch, exchange)
    loaded = load(place, key=key)
    if load is embed.load:
        assert is_honest(loaded, honest)
        return
    model, tokenizer = loaded
    wanted, plain = mlx_lm.load(str(aside))
    named, theirs = dict(tree_flatten(model.parameters())), dict(tree_flatten(wanted.parameters()))
    assert all(mx.array_equal(array, theirs[name]).item() for name, array in named.items())
    assert model.args.rope_theta == 10_000.0
    chat = [{"role": "user", "content": "hello"}]
    for options in ({"tokenize": False}, {}):
        said = tokenizer.apply_chat_template(chat, add_generation_prompt=True, **options)
        assert said == plain.apply_chat_template(chat, add_generation_prompt=True, **options)
    assert tokenizer.all_special_tokens == plain.all_special_tokens


@pytest.mark.parametrize("method", SealMethod)
@pytest.mark.parametrize("change", [write_over, put_in_place])
def test_changed_between_digest_and_reading(  # noqa: PLR0917
    change: Change,
    method: SealMethod,
    honest: TinyModel,
    other: TinyModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = tmp_path / "model"
    place.mkdir()
    need_method(method, place)
    key = publish(honest, place)
    file = place / "model.safetensors"
    done = []

    def act() -> None:
        if method is SealMethod.LEASE and change is write_over:
            with pytest.raises(BlockingIOError):  # who writes waits for the one that reads
                os.open(file, os.O_WRONLY | os.O_NONBLOCK)
        else:
            change(file, bytes_of(other, file.name))
        done.append(True)

    act_before_loading(monkeypatch, lambda: None, methods=[method])
    act_before_reading(monkeypatch, act)
    if method is SealMethod.LEASE and change is write_over:
        with pytest.raises(VaultRefused) as caught:
            embed.load(place, key=key)
        assert caught.value.code == "VAULT_CHANGED"
    else:
        assert is_honest(embed.load(place, key=key), honest)
    assert done


def test_changed_before_its_arrays_are_used(honest: TinyModel, other: TinyModel, tmp_path: Path) -> None:
    """Plain `mx.load` reads when an array is first used: by then the file is another."""
    place = tmp_path / "model"
    key = publish(honest, place)
    file = place / "model.safetensors"
    loaded, plain = embed.load(place, key=key), mx.load(str(file))
    network, _ = embed.load_model(place, key=key)
    write_over(file, bytes_of(other, file.name))
    assert not is_honest(plain, honest)
    assert is_honest(loaded, honest)
    assert is_honest(dict(tree_flatten(network.parameters())), honest)
