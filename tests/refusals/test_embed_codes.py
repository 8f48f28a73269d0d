"""One test for each code of MLX in an application's own process, named by what brings it about."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ostiary import embed, errors
from ostiary.testing import HostilePublisher, sign_model


def _load(tmp_path: Path, **config: object) -> object:
    pytest.importorskip("mlx_lm")
    model = HostilePublisher(tmp_path).publish_honest()
    told = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps({**told, **config}))
    return embed.load_model(model, key=sign_model(model))


def a_network_that_nobody_held_against_anything(tmp_path: Path) -> object:
    return _load(tmp_path, model_type="mamba")


def weights_that_another_program_packed(tmp_path: Path) -> object:
    return _load(tmp_path, quantization_config={"quant_method": "gptq", "bits": 4, "group_size": 32})


def a_token_id_past_the_vocabulary(_tmp_path: Path) -> None:
    with embed.guard() as guarded:
        guarded.check([1, 64], embed.token_ids(64), field="prompt")


def shapes_that_contradict_one_another(tmp_path: Path) -> None:
    with embed.guard():
        raise ValueError(f"[matmul] shapes (1,2) and (3,4) in {tmp_path}")


def an_allocation_that_metal_refuses(_tmp_path: Path) -> None:
    with embed.guard():
        raise RuntimeError("[metal::malloc] Attempting to allocate 9 bytes which is greater than the maximum")


@pytest.mark.parametrize(
    ("act", "code", "error"),
    [
        (a_network_that_nobody_held_against_anything, "EMBED_ARCHITECTURE_NOT_ALLOWED", errors.EmbedRefused),
        (weights_that_another_program_packed, "EMBED_LOAD_FAILED", errors.EmbedFailed),
        (a_token_id_past_the_vocabulary, "EMBED_INPUT", errors.EmbedRefused),
        (shapes_that_contradict_one_another, "EMBED_ENGINE_FAILED", errors.EmbedFailed),
        (an_allocation_that_metal_refuses, "EMBED_OUT_OF_MEMORY", errors.EmbedOutOfMemory),
    ],
)
def test_the_code(
    act: Callable[[Path], object], code: str, error: type[errors.OstiaryError], tmp_path: Path
) -> None:
    with pytest.raises(error) as caught:
        act(tmp_path)
    assert caught.value.code == code
    assert str(tmp_path) not in str(caught.value)
    public = errors.render_public(caught.value, caught.value.correlation_id or "")
    assert caught.value.message not in (public.sentence, public.hint)
    assert public.correlation_id
