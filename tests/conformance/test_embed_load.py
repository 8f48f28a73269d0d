# ruff: noqa: E402 (the judges are imported once it is known that they are there)
"""`embed.load` and `embed.load_model` beside `mx.load` and `mlx_lm.load`: the same arrays, networks, tokens, texts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")
mlx_lm = pytest.importorskip("mlx_lm")

from embed_tools import publish
from mlx.utils import tree_flatten
from models.tiny import TinyModel, dump_tensors, make_adapter, make_model
from models.words import metaspace

from ostiary import embed
from ostiary.record.begin import open_reader
from ostiary.testing import sign_model

pytestmark = pytest.mark.mlx

WORDS = len(metaspace()[0]["model"]["vocab"])
TEXTS = ("hello the world", "", "  two  spaces\n\tand <think>a</think><|im_end|> é 漢 🎈", "x" * 300)
CHAT = [
    {"role": "user", "content": "hello"},
    {"role": "assistant", "content": "in"},
    {"role": "user", "content": "?"},
]


def shard(model: TinyModel) -> TinyModel:
    """The same in three files and an index."""
    import io

    tensors: dict[str, Any] = mx.load(io.BytesIO(model.weights["model.safetensors"]), format="safetensors")
    names = sorted(tensors)
    places = {name: f"model-{1 + place % 3:05}-of-00003.safetensors" for place, name in enumerate(names)}
    weights = {
        file: dump_tensors({name: tensors[name] for name in names if places[name] == file})
        for file in sorted(set(places.values()))
    }
    index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": places}
    return TinyModel({**model.contents, "model.safetensors.index.json": json.dumps(index).encode()}, weights)


def same(left: Mapping[str, Any], right: Mapping[str, Any]) -> None:
    assert left.keys() == right.keys()
    for name, array in left.items():
        assert array.dtype == right[name].dtype, name
        assert mx.array_equal(array, right[name], equal_nan=True).item(), name


def parameters(model: Any) -> dict[str, Any]:
    return dict(tree_flatten(model.parameters()))


# --- mx.load ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [{}, {"dtype": "bfloat16"}, {"bits": 4}])
def test_a_file(form: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "some" / "weights.safetensors"
    file.parent.mkdir()
    file.write_bytes(make_model("llama", **form).weights["model.safetensors"])
    loaded, metadata = embed.load(file, unsafe_unsigned=True, return_metadata=True)
    arrays, said = mx.load(str(file), return_metadata=True)
    same(loaded, arrays)
    assert metadata == said
    same(embed.load(str(file), unsafe_unsigned=True), arrays)


@pytest.mark.parametrize("form", [{}, {"dtype": "bfloat16", "bits": 4}])
@pytest.mark.parametrize("in_shards", [False, True])
def test_a_directory(form: dict[str, Any], in_shards: bool, tmp_path: Path) -> None:
    model = make_model("qwen3", **form)
    model = shard(model) if in_shards else model
    key = publish(model, tmp_path / "model")
    arrays: dict[str, Any] = {}
    for path in model.weights:
        arrays |= mx.load(str(tmp_path / "model" / path))
    same(embed.load(tmp_path / "model", key=key), arrays)


def test_by_a_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ostiary.cli.main import main

    model = tmp_path / "model"
    model.mkdir()
    key = sign_model(make_model("llama").write(model), model_id="acme/tiny", model_version="1.2")
    policy = str(tmp_path / "policy.toml")
    assert main(["trust", "init", "--policy", policy]) == 0
    assert main(["trust", "add", "signer", "alice", "--key", str(key), "--policy", policy]) == 0
    assert (
        main(
            [
                "trust",
                "add",
                "rule",
                "acme/*",
                "--signer",
                "alice",
                "--minimum-version",
                "1",
                "--source",
                str(tmp_path),
                "--policy",
                policy,
            ]
        )
        == 0
    )
    assert main(["trust", "pin", str(model), "--policy", policy]) == 0
    assert len(embed.load(model, policy=policy)) == 29
    monkeypatch.setenv("OSTIARY_POLICY", policy)
    assert len(embed.load(model)) == 29


# --- mlx_lm.load --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "form", "in_shards"),
    [
        ("llama", {}, False),
        ("llama", {"dtype": "bfloat16"}, True),
        ("llama", {"bits": 4}, True),
        ("qwen3_moe", {"bits": 4}, False),
        ("gemma3_text", {}, False),
        ("mistral", {"dtype": "float16"}, False),
        ("mistral3", {}, False),
        ("phi3", {"tokenizer": metaspace(), "changes": {"vocab_size": WORDS}}, False),
    ],
)
def test_a_model(name: str, form: dict[str, Any], in_shards: bool, tmp_path: Path) -> None:
    made = make_model(name, **form)
    place = tmp_path / "model"
    key = publish(shard(made) if in_shards else made, place)
    model, tokenizer, config = embed.load_model(place, key=key, return_config=True)
    wanted, plain, said = mlx_lm.load(str(place), return_config=True)
    assert type(model) is type(wanted)
    assert not model.training
    same(parameters(model), parameters(wanted))
    assert config == said
    tokens = mx.array([[3, 4, 5, 6]])
    assert mx.array_equal(model(tokens), wanted(tokens)).item()
    same_tokenizer(tokenizer, plain)
    text = mlx_lm.generate(model, tokenizer, "hello the world", max_tokens=12)
    assert text == mlx_lm.generate(wanted, plain, "hello the world", max_tokens=12)


def same_tokenizer(tokenizer: Any, plain: Any) -> None:
    assert type(tokenizer) is type(plain)
    assert type(tokenizer.detokenizer) is type(plain.detokenizer)
    assert tokenizer.eos_token_ids == plain.eos_token_ids
    assert tokenizer.has_tool_calling == plain.has_tool_calling
    assert tokenizer.tool_call_start == plain.tool_call_start
    assert tokenizer.has_thinking == plain.has_thinking
    assert tokenizer.get_vocab() == plain.get_vocab()
    assert tokenizer.chat_template == plain.chat_template
    assert set(tokenizer.all_special_tokens) == set(plain.all_special_tokens)
    assert tokenizer.special_tokens_map == plain.special_tokens_map
    for text in TEXTS:
        for framed in (True, False):
            ids = plain.encode(text, add_special_tokens=framed)
            assert tokenizer.encode(text, add_special_tokens=framed) == ids
            assert tokenizer.decode(ids) == plain.decode(ids)
            assert tokenizer.decode(ids, skip_special_tokens=True) == plain.decode(ids, skip_special_tokens=True)
    if plain.has_chat_template:
        for options in ({}, {"add_generation_prompt": True}):
            said = plain.apply_chat_template(CHAT, tokenize=False, **options)
            assert tokenizer.apply_chat_template(CHAT, tokenize=False, **options) == said
            assert tokenizer.apply_chat_template(CHAT, **options) == plain.apply_chat_template(CHAT, **options)


TOOLS = (
    "{% for m in messages %}{{ m.content }}{% endfor %}{% if tool_call %}<tool_call>{{ tool_call.name }}{% endif %}"
)


@pytest.mark.parametrize(
    "files",
    [
        {"chat_template.jinja": "{{ messages[0].content }}!"},
        {"chat_template.jinja": TOOLS},
        {"special_tokens_map.json": {"pad_token": "<|im_end|>", "eos_token": {"content": "<|im_start|>"}}},
        {"generation_config.json": {"eos_token_id": [256, 7]}},
        {"tokenizer_config.json": {"extra_special_tokens": ["<think>"], "padding_side": "left"}},
        {"tokenizer_config.json": {"additional_special_tokens": ["<think>"], "image_token": "<tool_call>"}},
        {
            "tokenizer_config.json": {
                "added_tokens_decoder": {
                    "256": {"content": "<|bos|>", "special": True},
                    "257": {"content": "<|im_end|>", "special": True, "lstrip": True},
                }
            }
        },
        {"tokenizer_config.json": {"tool_parser_type": "mistral"}},
    ],
)
def test_settings_of_tokenizers(files: dict[str, Any], tmp_path: Path) -> None:
    made = make_model("llama")
    for path, value in files.items():
        if isinstance(value, str):
            made.contents[path] = value.encode()
        else:
            made.contents[path] = json.dumps({**json.loads(made.contents.get(path, b"{}")), **value}).encode()
    key = publish(made, tmp_path / "model")
    _, tokenizer, config = embed.load_model(tmp_path / "model", key=key, return_config=True)
    _, plain, said = mlx_lm.load(str(tmp_path / "model"), return_config=True)
    same_tokenizer(tokenizer, plain)
    assert config == said


@pytest.mark.parametrize("kind", ["lora", "dora", "full"])
def test_an_adapter(kind: str, tmp_path: Path) -> None:
    keys = None if kind == "full" else ["self_attn.q_proj", "mlp.down_proj"]
    place = tmp_path / "model"
    key = publish(make_adapter(make_model("llama"), kind, keys=keys), place)
    adapted, _ = embed.load_model(place, key=key, adapter="adapter")
    wanted, _ = mlx_lm.load(str(place), adapter_path=str(place / "adapter"))
    plain, _ = embed.load_model(place, key=key)
    tokens = mx.array([[3, 4, 5, 6]])
    assert mx.array_equal(adapted(tokens), wanted(tokens)).item()
    assert not mx.allclose(adapted(tokens), plain(tokens)).item()


def test_what_the_application_sets_comes_first(tmp_path: Path) -> None:
    key = publish(make_model("llama"), tmp_path / "model")
    told: dict[str, Any] = {
        "model_config": {"rope_theta": 5e5},
        "tokenizer_config": {"eos_token": "<|im_start|>"},
        "return_config": True,
    }
    model, tokenizer, config = embed.load_model(tmp_path / "model", key=key, **told)
    wanted, plain, said = mlx_lm.load(str(tmp_path / "model"), **told)
    assert config == said
    assert config["rope_theta"] == 5e5
    assert tokenizer.eos_token_ids == plain.eos_token_ids
    tokens = mx.array([[3, 4, 5, 6]])
    assert mx.array_equal(model(tokens), wanted(tokens)).item()


def test_the_record_says_that_it_is_loaded_where_no_wall_is(tmp_path: Path) -> None:
    key = publish(make_model("llama"), tmp_path / "model")
    embed.load_model(tmp_path / "model", key=key)
    embed.load(tmp_path / "model", key=key)
    with open_reader() as reader:
        bodies = [json.loads(body) for _, body in reader.read_bodies(0, reader.read_size())]
    kinds = [body["kind"] for body in bodies]
    once = ["model.inspected", "model.verified", "model.sealed", "model.embedded"]
    assert kinds == ["record.begun", *once, *once]
    assert len({body["data"]["correlation_id"] for body in bodies}) == 3
