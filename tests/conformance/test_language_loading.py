# ruff: noqa: E402 (the judges are imported once it is known that they are there)
"""What is loaded, and what is not taken: weights in shards, packed, with adapters; files that lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")

from mlx_lm.generate import generate_step
from mlx_lm.tuner.utils import load_adapters
from mlx_lm.utils import load_model
from models.talk import LIMITS, Talk
from models.tiny import TinyModel, dump_tensors, feed, fill, make_adapter, make_model

from ostiary.networks.configuration import read_configuration
from ostiary.worker.engines.contract import ModelUnfit
from ostiary.worker.engines.language import prepare_engine
from ostiary.worker.engines.language.network import look_at
from ostiary.worker.engines.language.settings import Settings

pytestmark = pytest.mark.mlx

PROMPTS = [[3], [40, 41, 42, 43, 44], [(5 * place) % 256 for place in range(45)]]
Change = Callable[[TinyModel], None]


def open_talk(model: TinyModel, **settings: Any) -> Talk:
    engine = prepare_engine({"chunk_tokens": 2048, "arithmetic": "plain", **settings})(LIMITS)
    feed(engine, model)
    return Talk(engine)


def ask(talk: Talk) -> list[list[int]]:
    bodies = [{"prompt": prompt, "max_tokens": 10, "ignore_eos": True} for prompt in PROMPTS]
    alone = [talk.ask("generate", **body).tokens() for body in bodies]
    assert [heard.tokens() for heard in talk.ask_all(bodies)] == alone
    return alone


def ask_plainly(model: Any) -> list[list[int]]:
    return [[token for token, _ in generate_step(mx.array(prompt), model, max_tokens=10)] for prompt in PROMPTS]


def tensors_of(model: TinyModel, path: str = "model.safetensors") -> dict[str, Any]:
    import io

    loaded: dict[str, Any] = mx.load(io.BytesIO(model.weights[path]), format="safetensors")
    return loaded


# --- adapters ---------------------------------------------------------------------------------------------------

SOME = ["self_attn.q_proj", "mlp.down_proj"]


@pytest.mark.parametrize(
    ("name", "form", "kind", "keys"),
    [
        ("llama", {}, "lora", None),
        ("llama", {"dtype": "bfloat16"}, "lora", SOME),
        ("llama", {"dtype": "bfloat16", "bits": 4}, "lora", SOME),
        ("llama", {}, "dora", SOME),
        ("llama", {"dtype": "bfloat16", "bits": 4}, "dora", SOME),
        ("llama", {}, "full", None),
        ("llama", {}, "lora", ["model.embed_tokens"]),
        ("qwen3_moe", {}, "lora", None),
        ("qwen3_moe", {"dtype": "bfloat16", "bits": 4}, "lora", ["mlp.switch_mlp.up_proj"]),
    ],
)
def test_adapters(name: str, form: dict[str, Any], kind: str, keys: list[str] | None, tmp_path: Path) -> None:
    adapted = make_adapter(make_model(name, **form), kind, keys=keys)
    plain, _ = load_model(adapted.write(tmp_path))
    without = ask_plainly(plain)
    load_adapters(plain, str(tmp_path / "adapter")).eval()
    wanted = ask_plainly(plain)
    assert wanted != without
    assert ask(open_talk(adapted, adapter="adapter")) == wanted
    assert ask(open_talk(adapted)) == without  # an adapter is used where it is asked for


def change_adapter(**values: Any) -> Change:
    def change(model: TinyModel) -> None:
        told = json.loads(model.contents["adapter/adapter_config.json"])
        model.contents["adapter/adapter_config.json"] = json.dumps({**told, **values}).encode()

    return change


def put_adapter(*names: str, shape: tuple[int, ...] = (64, 4)) -> Change:
    def change(model: TinyModel) -> None:
        tensors = tensors_of(model, "adapter/adapters.safetensors")
        model.weights["adapter/adapters.safetensors"] = dump_tensors(
            {**tensors, **{name: fill(name, shape) for name in names}}
        )

    return change


def empty_adapter(model: TinyModel) -> None:
    model.weights["adapter/adapters.safetensors"] = dump_tensors({})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_adapter(fine_tune_type="evil"), "unknown kind"),
        (change_adapter(peft_type="LORA"), "PEFT"),
        (change_adapter(lora_parameters=None), "no lora_parameters"),
        (change_adapter(lora_parameters={"rank": 4}), "does not say its scale"),
        (change_adapter(lora_parameters={"rank": 4, "scale": 1.0, "keys": "all"}), "no list"),
        (
            change_adapter(lora_parameters={"rank": 4, "scale": 1.0, "keys": ["self_attn.rope"]}),
            "cannot be adapted",
        ),
        (change_adapter(lora_parameters={"rank": 5, "scale": 1.0}), "no place in the model"),
        (change_adapter(num_layers="many"), "does not say its num_layers"),
        (put_adapter("model.norm.weight"), "no place in the model"),
        (put_adapter("model.layers.9.self_attn.q_proj.lora_a"), "no place in the model"),
        (put_adapter("model.layers.1.self_attn.q_proj.lora_a", shape=(64, 5)), "no place in the model"),
        (empty_adapter, "no tensors"),
        (lambda model: model.contents.pop("adapter/adapter_config.json"), "adapter_config.json"),
    ],
)
def test_adapters_that_do_not_fit(change: Change, said: str) -> None:
    adapted = make_adapter(make_model("llama"), "lora")
    change(adapted)
    with pytest.raises(ModelUnfit, match=said) as refused:
        open_talk(adapted, adapter="adapter")
    assert refused.value.name == "WORKER_LOAD_FAILED"


# --- files ------------------------------------------------------------------------------------------------------


def in_shards(model: TinyModel) -> TinyModel:
    tensors = tensors_of(model)
    names = sorted(tensors)
    halves = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    index = {"weight_map": {name: path for path, half in halves.items() for name in half}}
    contents = {**model.contents, "model.safetensors.index.json": json.dumps(index).encode()}
    return TinyModel(
        contents, {path: dump_tensors({name: tensors[name] for name in half}) for path, half in halves.items()}
    )


def test_shards_with_an_index() -> None:
    model = make_model("llama")
    wanted = ask(open_talk(model))
    sharded = in_shards(model)
    assert ask(open_talk(sharded)) == wanted
    # MLX-LM would take this one along by its name
    sharded.weights["model-extra.safetensors"] = dump_tensors({"model.norm.weight": mx.zeros((64,))})
    assert ask(open_talk(sharded)) == wanted


def test_other_weights_beside_the_model_are_left_alone() -> None:
    model = make_model("llama")
    wanted = ask(open_talk(model))
    other = dump_tensors({"model.norm.weight": mx.zeros((64,))})
    model.weights |= {"consolidated.safetensors": other, "sub/model.safetensors": other}
    assert ask(open_talk(model)) == wanted


def config(**values: Any) -> Change:
    def change(model: TinyModel) -> None:
        told = json.loads(model.contents["config.json"])
        model.contents["config.json"] = json.dumps({**told, **values}).encode()

    return change


def weights(**tensors: Any) -> Change:
    def change(model: TinyModel) -> None:
        named = {name.replace("__", "."): array for name, array in tensors.items()}
        kept = {name: array for name, array in {**tensors_of(model), **named}.items() if array is not None}
        model.weights["model.safetensors"] = dump_tensors(kept)

    return change


def file(path: str, data: bytes | None) -> Change:
    def change(model: TinyModel) -> None:
        for files in (model.contents, model.weights):
            files.pop(path, None)
        if data is not None:
            (model.weights if path.endswith(".safetensors") else model.contents)[path] = data

    return change


def twice(model: TinyModel) -> None:
    model.weights["model2.safetensors"] = dump_tensors({"model.norm.weight": mx.zeros((64,))})


def words(**values: Any) -> Change:
    def change(model: TinyModel) -> None:
        told = json.loads(model.contents["tokenizer.json"])
        told["model"] |= values
        model.contents["tokenizer.json"] = json.dumps(told).encode()

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (config(model_type="base"), "'base' does not run here"),
        (config(model_type="../../evil"), "'../../evil' does not run here"),
        (config(model_type="llama\0x"), r"'llama\\x00x' does not run here"),
        (config(model_type=None), "none does not run here"),
        (config(model_type=["llama"]), "none does not run here"),
        (config(model_type="mistral3", text_config={"model_type": "mistral4"}), "'mistral4' does not run here"),
        (config(num_hidden_layers=4), "not those of the architecture"),
        (config(hidden_size=128), "not those of the architecture"),
        (config(num_attention_heads=0), "divides by zero|not those"),
        (config(hidden_size="wide"), "wrong type|shapes or values"),
        (config(quantization_config={"quant_method": "awq"}), "packed by another program"),
        (config(quantization={"bits": 4}), "no group_size"),
        (config(quantization={"bits": 4, "group_size": True}), "no group_size"),
        (config(vocab_size=400), "not those of the architecture"),
        (weights(model__norm__weight=None), "not those of the architecture"),
        (weights(model__norm__weight=mx.zeros((63,))), "not those of the architecture"),
        (weights(evil=mx.zeros((3,))), "not those of the architecture"),
        (file("config.json", None), "no config.json"),
        (file("config.json", b"{"), "config.json is not JSON"),
        (file("config.json", b"[]"), "config.json holds no object"),
        (file("config.json", b"[" * 100_000), "config.json is not JSON"),
        (file("tokenizer.json", None), "no tokenizer.json"),
        (file("tokenizer.json", b"{}"), "tokenizer could not be built"),
        (words(vocab={"a": 0}), "tokenizer could not be built"),
        (words(vocab={"a": 1 << 24}, merges=[]), "other ids|past any vocabulary"),
        (file("model.safetensors", None), "no weights were sent"),
        (file("model.safetensors", b""), "malformed|too early"),
        (file("model.safetensors", b"\xff" * 64), "malformed|too early"),
        (file("model.safetensors.index.json", b"{}"), "lists no weights"),
        (twice, "stands in two weights files"),
        (file("chat_template.jinja", b"{% for %}"), "not Jinja"),
    ],
)
def test_models_that_are_not_taken(change: Change, said: str) -> None:
    model = make_model("llama")
    change(model)
    with pytest.raises(ModelUnfit, match=said) as refused:
        open_talk(model)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("rows", [400, 300])
def test_a_head_that_knows_other_ids_than_the_embedding_is_not_taken(rows: int) -> None:
    """A chosen id would be looked up past the table, or a biased one written past the logits."""
    model = make_model("llama", changes={"tie_word_embeddings": False})
    engine = prepare_engine({})(LIMITS)
    network = engine._networks["llama"]  # type: ignore[attr-defined]
    built = network.Model(network.ModelArgs.from_dict(json.loads(model.contents["config.json"])))
    built.lm_head.weight = mx.zeros((rows, 64))
    with pytest.raises(ModelUnfit, match="the same token ids"):
        look_at(built, read_configuration(model.contents), Settings(), LIMITS)


def test_learned_positions_end_the_context() -> None:
    model = make_model("gpt2", changes={"n_positions": 64, "n_ctx": 512, "max_position_embeddings": 512})
    talk = open_talk(model)
    heard = talk.ask("generate", prompt=[1] * 60, max_tokens=5)
    assert heard.error is not None
    assert "the context has 64" in heard.error["sentence"]


def test_experts_that_mlx_cannot_compute_are_told_while_loading() -> None:
    with pytest.raises(ModelUnfit, match="neither packed nor float32"):
        open_talk(make_model("mixtral", dtype="bfloat16"))


def test_only_what_was_prepared_is_opened() -> None:
    with pytest.raises(ModelUnfit, match="was not prepared") as refused:
        open_talk(make_model("llama"), architectures=["qwen3"])
    assert refused.value.name == "CELL_ARCHITECTURE_NOT_ALLOWED"


def test_weights_are_read_before_the_file_is_let_go(tmp_path: Path) -> None:
    """A file that changes afterwards changes nothing."""
    model = make_model("llama")
    path = model.write(tmp_path) / "model.safetensors"
    engine = prepare_engine({"chunk_tokens": 2048, "arithmetic": "plain"})(LIMITS)
    engine.read_contents(model.contents)
    with path.open("r+b") as stream:
        engine.read_weights("model.safetensors", stream.fileno(), path.stat().st_size)
        stream.seek(path.stat().st_size // 2)
        stream.write(b"\xff" * (path.stat().st_size // 2))
    engine.finish_load()
    assert ask(Talk(engine)) == ask(open_talk(model))
