"""The rest of the attack files that must be contained: those that MLX or tokenizers have to read."""

from __future__ import annotations

from pathlib import Path

import pytest
from attacks.test_contained import CASES, seal_directory
from cell_tools import LINUX_ONLY, Events, last_reply, make_sealed, open_cell

from ostiary.errors import EngineFailed, LoadFailed

pytest.importorskip("mlx.core")
pytest.importorskip("tokenizers")
pytestmark = [pytest.mark.mlx, LINUX_ONLY]

TOKENIZERS = {"libraries": ["tokenizers"]}


@pytest.mark.parametrize("name", ["gguf_q4_short_name", "gguf_type_q2k"])
def test_gguf_is_not_loaded_at_all(name: str, corpus: Path) -> None:
    events = Events()
    data = (corpus / CASES[name]["path"]).read_bytes()
    sealed = make_sealed({}, {"model.gguf": data})
    with pytest.raises(LoadFailed, match="only safetensors"), open_cell(events, "arrays", sealed=sealed):
        pass
    assert events.kinds == ["cell.refused"]


def test_a_file_of_many_tensors_is_loaded_behind_the_wall(corpus: Path) -> None:
    sealed = make_sealed({}, {"model.safetensors": (corpus / CASES["st_many_tensors"]["path"]).read_bytes()})
    with open_cell(Events(), "arrays", sealed=sealed) as cell:
        assert cell.facts["tensors"] == 900
        assert len(last_reply(cell.call("names")).body["shapes"]) == 900


@pytest.mark.parametrize("name", ["dir_cfg_rope_zero", "dir_tok_eos_steal"])
def test_models_that_only_compute_nonsense_compute_it_behind_the_wall(name: str, corpus: Path) -> None:
    sealed = seal_directory(corpus / CASES[name]["path"])
    events = Events()
    with open_cell(events, "arrays", sealed=sealed) as cell:
        shapes = last_reply(cell.call("names")).body["shapes"]
        assert isinstance(shapes, dict)
        for tensor in shapes:
            assert last_reply(cell.call("sum", {"name": tensor})).body == {"shape": []}
    with open_cell(events, sealed=sealed, settings=TOKENIZERS) as cell:
        assert last_reply(cell.call("encode_text", {"text": "hi"})).body["ids"]
    assert events.causes == ["closed", "closed"]


def test_a_pre_tokenizer_that_never_ends_fails_its_call(corpus: Path) -> None:
    """tokenizers gives up after so many tries and panics, which is no Exception in Python."""
    sealed = seal_directory(corpus / CASES["dir_tok_redos"]["path"])
    events = Events()
    with open_cell(events, sealed=sealed, settings=TOKENIZERS, wall_seconds=20) as cell:
        with pytest.raises(EngineFailed, match="PanicException"):
            list(cell.call("encode_text", {"text": "a" * 64 + "!"}))
        assert last_reply(cell.call("echo")).body == {}
    assert events.causes == ["closed"]
