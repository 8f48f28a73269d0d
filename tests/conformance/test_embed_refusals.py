"""What is not loaded: what nobody vouches for, what was altered, what does not run here, what lies about itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")

from embed_tools import publish
from models.tiny import TinyModel, make_adapter, make_model

from ostiary import embed
from ostiary.embed.tokenizer import open_tokenizer
from ostiary.errors import EmbedFailed, EmbedRefused, OstiaryError, Refusal
from ostiary.networks.unfit import ModelUnfit
from ostiary.record.begin import open_reader

pytestmark = pytest.mark.mlx


@pytest.fixture
def model() -> TinyModel:
    return make_model("llama")


def kinds() -> list[str]:
    with open_reader() as reader:
        return [json.loads(body)["kind"] for _, body in reader.read_bodies(0, reader.read_size())]


def check_refused(error: OstiaryError, tmp_path: Path) -> None:
    assert str(tmp_path) not in str(error)
    assert "\n" not in str(error)
    told = kinds()
    assert told[-1] in ("model.refused", "model.failed")
    assert told.count("model.refused") + told.count("model.failed") == 1
    assert "model.embedded" not in told
    with open_reader() as reader:
        (_, last), *_ = reversed(list(reader.read_bodies(0, reader.read_size())))
    assert error.correlation_id is not None
    assert error.correlation_id.encode() in last


# --- nobody vouches -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [embed.load, embed.load_model])
def test_unsigned(load: Any, model: TinyModel, tmp_path: Path) -> None:
    key = publish(model, tmp_path / "model")
    (tmp_path / "model" / "model.sig").unlink()
    with pytest.raises(Refusal) as caught:
        load(tmp_path / "model", key=key)
    assert caught.value.code == "TRUST_UNSIGNED"
    check_refused(caught.value, tmp_path)


@pytest.mark.parametrize("load", [embed.load, embed.load_model])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_altered(load: Any, name: str, model: TinyModel, tmp_path: Path) -> None:
    key = publish(model, tmp_path / "model")
    file = tmp_path / "model" / name
    file.write_bytes(file.read_bytes()[:-1] + (b"\x01" if name.endswith("s") else b" "))
    with pytest.raises(Refusal) as caught:
        load(tmp_path / "model", key=key)
    # The weights are hashed once, by the vault; what is small is compared before that.
    assert caught.value.code == ("VAULT_NOT_AS_SIGNED" if name == "model.safetensors" else "TRUST_DIGEST_MISMATCH")
    check_refused(caught.value, tmp_path)


def test_a_file_more(model: TinyModel, tmp_path: Path) -> None:
    """MLX-LM would load it."""
    key = publish(model, tmp_path / "model")
    (tmp_path / "model" / "model-2.safetensors").write_bytes(model.weights["model.safetensors"])
    with pytest.raises(Refusal) as caught:
        embed.load_model(tmp_path / "model", key=key)
    check_refused(caught.value, tmp_path)


def test_signed_by_somebody_else(model: TinyModel, tmp_path: Path) -> None:
    publish(model, tmp_path / "model")
    other = publish(model, tmp_path / "other")
    with pytest.raises(Refusal) as caught:
        embed.load(tmp_path / "model", key=other)
    assert caught.value.code.startswith("TRUST_")
    check_refused(caught.value, tmp_path)


def test_code_beside_it(model: TinyModel, tmp_path: Path) -> None:
    """CVE-2026-5843: config.json named a file of the directory, and it was executed."""
    config = {
        **json.loads(model.contents["config.json"]),
        "model_file": "net.py",
        "auto_map": {"AutoModel": "net.A"},
    }
    model.contents |= {"config.json": json.dumps(config).encode(), "net.py": b"raise SystemExit(7)"}
    (tmp_path / "model").mkdir()
    model.write(tmp_path / "model")
    with pytest.raises(Refusal) as caught:
        embed.load_model(tmp_path / "model", unsafe_unsigned=True)
    check_refused(caught.value, tmp_path)


# --- signed, and yet not --------------------------------------------------------------------------------------------


def settle(**values: Any) -> Callable[[TinyModel], None]:
    def change(model: TinyModel) -> None:
        model.contents["config.json"] = json.dumps({**json.loads(model.contents["config.json"]), **values}).encode()

    return change


def settle_tokenizer(**values: Any) -> Callable[[TinyModel], None]:
    def change(model: TinyModel) -> None:
        told = {**json.loads(model.contents["tokenizer_config.json"]), **values}
        model.contents["tokenizer_config.json"] = json.dumps(told).encode()

    return change


def no_tokenizer(model: TinyModel) -> None:
    del model.contents["tokenizer.json"], model.contents["tokenizer_config.json"]


def rename_weights(model: TinyModel) -> None:
    model.weights = {"weights.safetensors": model.weights["model.safetensors"]}


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (settle(model_type="mamba"), "EMBED_ARCHITECTURE_NOT_ALLOWED", "'mamba' does not run here"),
        (
            settle(quantization_config={"quant_method": "gptq", "bits": 4, "group_size": 32}),
            "EMBED_LOAD_FAILED",
            "another program",
        ),
        (no_tokenizer, "EMBED_LOAD_FAILED", "no tokenizer.json"),
        (rename_weights, "EMBED_LOAD_FAILED", "no weights"),
    ],
)
def test_signed_and_not_loaded(
    change: Callable[[TinyModel], None], code: str, said: str, model: TinyModel, tmp_path: Path
) -> None:
    change(model)
    key = publish(model, tmp_path / "model")
    with pytest.raises((EmbedRefused, EmbedFailed)) as caught:
        embed.load_model(tmp_path / "model", key=key)
    assert caught.value.code == code
    assert said in caught.value.message
    assert caught.value.__cause__ is not None
    check_refused(caught.value, tmp_path)


@pytest.mark.parametrize("name", ["tool_parser_type", "chat_template_type"])
@pytest.mark.parametrize("word", ["json", "..utils", "antigravity", 7, ["mistral"]])
def test_a_module_that_the_tokenizer_names_is_not_imported(name: str, word: Any, model: TinyModel) -> None:
    """Intake refuses it before; were it to come as far as here, nothing would be imported either."""
    settle_tokenizer(**{name: word})(model)
    with pytest.raises(ModelUnfit, match="not known here"):
        open_tokenizer(model.contents, {}, {})


def test_an_adapter_that_does_not_fit(model: TinyModel, tmp_path: Path) -> None:
    key = publish(make_adapter(model, "lora"), tmp_path / "model")
    with pytest.raises(EmbedFailed, match=r"no adapter_config\.json"):
        embed.load_model(tmp_path / "model", key=key, adapter="other")


def test_a_class_that_the_tokenizer_names_is_not_taken(model: TinyModel, tmp_path: Path) -> None:
    settle_tokenizer(tokenizer_class="BertTokenizer", tokenizer_file="/etc/passwd", name_or_path="a/b")(model)
    key = publish(model, tmp_path / "model")
    _, tokenizer = embed.load_model(tmp_path / "model", key=key)
    assert type(tokenizer._tokenizer).__name__ == "TokenizersBackend"
    assert tokenizer.name_or_path == ""


def test_settings_of_the_application_that_contradict_the_weights(model: TinyModel, tmp_path: Path) -> None:
    key = publish(model, tmp_path / "model")
    with pytest.raises(EmbedFailed) as caught:
        embed.load_model(tmp_path / "model", key=key, model_config={"hidden_size": 32})
    assert caught.value.code == "EMBED_LOAD_FAILED"
    check_refused(caught.value, tmp_path)
    with pytest.raises(EmbedFailed):
        embed.load_model(tmp_path / "model", key=key, model_config={"num_attention_heads": 0})
