from __future__ import annotations

import json

import pytest
from attack_cases.tokenizer import added

from ostiary.core.limits import MAX_TEMPLATES, MAX_TOKEN_ID
from ostiary.errors import IntakeRefused
from ostiary.intake.tokens.read_tokenizer_config import TokenizerConfig, parse_tokenizer_config


def parse(**fields: object) -> TokenizerConfig:
    return parse_tokenizer_config(json.dumps(fields).encode())


def code_of(**fields: object) -> str:
    with pytest.raises(IntakeRefused) as caught:
        parse(**fields)
    return caught.value.code


def test_nothing_is_needed() -> None:
    assert parse() == TokenizerConfig((), (), (), None, None, ())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ()),
        ("x", (("default", "x"),)),
        ([], ()),
        ([{"name": "a", "template": "x"}, {"name": "b", "template": "y"}], (("a", "x"), ("b", "y"))),
        ({"default": "x", "rag": "y"}, (("default", "x"), ("rag", "y"))),
    ],
)
def test_templates(value: object, expected: object) -> None:
    assert parse(chat_template=value).templates == expected


@pytest.mark.parametrize("value", [1, True, ["x"], [{"name": "a"}], [{"name": 1, "template": "x"}], {"a": 1}])
def test_templates_of_the_wrong_shape(value: object) -> None:
    assert code_of(chat_template=value) == "INTAKE_MALFORMED"


def test_too_many_templates() -> None:
    named = {f"t{n}": "x" for n in range(MAX_TEMPLATES + 1)}
    assert code_of(chat_template=named) == "INTAKE_TOO_LARGE"


def test_special_tokens_in_every_form() -> None:
    config = parse(
        bos_token="<s>",  # noqa: S106
        eos_token=added(2, "</s>"),
        pad_token=None,
        add_bos_token=True,
        image_token="<image>",  # noqa: S106
        num_image_token=256,
        additional_special_tokens=["<a>", added(5, "<b>")],
        extra_special_tokens={"video": "<v>"},
    )
    expected = ["<s>", "</s>", "<image>", "<a>", "<b>", "<v>"]
    assert [content for _, content in config.special_tokens] == expected


@pytest.mark.parametrize("value", [1, ["<s>"], {"text": "<s>"}, False])
def test_special_tokens_of_the_wrong_type(value: object) -> None:
    assert code_of(eos_token=value) == "INTAKE_MALFORMED"


def test_added_tokens_decoder() -> None:
    (token,) = parse(added_tokens_decoder={"7": added(0, "<x>")}).added
    assert (token.id, token.content, token.special) == (7, "<x>", True)


@pytest.mark.parametrize("key", ["-1", "1.0", "", " 1", "\u0661", "1" * 5_000, str(MAX_TOKEN_ID + 1)])
def test_ids_that_are_none(key: str) -> None:
    assert code_of(added_tokens_decoder={key: added(0, "<x>")}) in ("INTAKE_MALFORMED", "INTAKE_OUT_OF_RANGE")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (128, 128), (1e30, 1e30), (10**30 + 19884624838656, 1e30), (0, None), (-1, None)],
)
def test_model_max_length(value: object, expected: float | None) -> None:
    assert parse(model_max_length=value).model_max_length == expected


@pytest.mark.parametrize("field", ["chat_template_type", "tool_parser_type"])
@pytest.mark.parametrize("value", ["..server", "os", "a.b", "deepseek_v32\n", 1, [], {"a": 1}, True])
def test_names_that_would_be_imported(field: str, value: object) -> None:
    assert code_of(**{field: value}) == "INTAKE_CARRIES_CODE"


def test_names_that_mlx_lm_ships() -> None:
    parse(chat_template_type="deepseek_v32", tool_parser_type="mistral")
    parse(chat_template_type=None, tool_parser_type="")


def test_code_comes_before_form() -> None:
    assert code_of(auto_map={"AutoTokenizer": "tok.Tok"}, eos_token=1) == "INTAKE_CARRIES_CODE"


@pytest.mark.parametrize("path", ["/etc/passwd", "~/x", "../x", "a/../../x", "C:\\x", "\\\\host\\x", "https://x"])
def test_files_outside(path: str) -> None:
    (note,) = parse(vocab_file=path).notes
    assert note.rule.id == "tokenizer.outside-file"


def test_files_inside() -> None:
    assert parse(vocab_file="vocab.json", tokenizer_file="sub/tokenizer.json", merges_file=None).notes == ()


@pytest.mark.parametrize(
    "name", ["LlamaTokenizer", "LlamaTokenizerFast", "PreTrainedTokenizerFast", "Qwen2Tokenizer"]
)
def test_known_classes(name: str) -> None:
    config = parse(tokenizer_class=name)
    assert (config.class_name, config.notes) == (name, ())


@pytest.mark.parametrize(
    "fields", [{"legacy": "yes"}, {"tokenizer_class": ["x"]}, {"padding_side": 1}, {"vocab_file": {}}]
)
def test_known_fields_of_the_wrong_type(fields: dict[str, object]) -> None:
    assert code_of(**fields) == "INTAKE_MALFORMED"
