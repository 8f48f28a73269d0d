"""MLX-LM's tokenizer from bytes: tokenizer.json decides, and no class or module that the model names.

Transformers would choose a class by the model's word and open files by name; some classes build a tokenizer of
their own and pass over tokenizer.json. Here it is always the class that takes tokenizer.json as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from typing import Any, Final

from ostiary.core.frames import ErrorName
from ostiary.core.json_text import JsonValue
from ostiary.intake.tokens.loader_names import CHAT_TEMPLATE_TYPES, TOOL_PARSERS
from ostiary.networks.configuration import read_object
from ostiary.networks.library import import_part
from ostiary.networks.templates import read_templates
from ostiary.networks.unfit import ModelUnfit

_TOKENS: Final = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_SETTINGS: Final = frozenset(
    {
        "add_bos_token",
        "add_eos_token",
        "add_prefix_space",
        "chat_control_tokens",
        "clean_up_tokenization_spaces",
        "model_input_names",
        "model_max_length",
        "padding_side",
        "split_special_tokens",
        "truncation_side",
    }
)
"""What tokenizer_config.json may set. Others name classes, files or code, or have no effect."""


def open_tokenizer(contents: Mapping[str, bytes], config: Mapping[str, Any], changes: Mapping[str, Any]) -> Any:
    """A `TokenizerWrapper`. `config` is the model's; `changes` are the application's own. Raises ModelUnfit."""
    values = read_object(contents, "tokenizer.json")
    if values is None:
        raise ModelUnfit(ErrorName.LOAD_FAILED, "there is no tokenizer.json")
    claimed = read_object(contents, "tokenizer_config.json") or {}
    if "added_tokens_decoder" not in claimed:
        claimed |= read_object(contents, "special_tokens_map.json") or {}
    tokenizer = _make_tokenizer(contents, claimed, changes)
    return _wrap(tokenizer, values.get("decoder"), {**claimed, **changes}, config)


def _make_tokenizer(
    contents: Mapping[str, bytes], claimed: Mapping[str, JsonValue], changes: Mapping[str, Any]
) -> Any:
    backend = import_module("tokenizers").Tokenizer
    settings: dict[str, Any] = {name: claimed[name] for name in _SETTINGS & claimed.keys()}
    settings |= {name: word for name in _TOKENS if (word := _read_token(claimed.get(name))) is not None}
    others = claimed.get("extra_special_tokens") or claimed.get("additional_special_tokens")
    named = {
        name: word
        for name, value in claimed.items()
        if name.endswith("_token") and name not in _TOKENS and (word := _read_token(value)) is not None
    }
    if isinstance(others, list):
        settings["extra_special_tokens"] = [word for value in others if (word := _read_token(value)) is not None]
    elif isinstance(others, dict):
        named |= {name: word for name, value in others.items() if (word := _read_token(value)) is not None}
    if named:
        settings["model_specific_special_tokens"] = named
    decoder = claimed.get("added_tokens_decoder")
    if isinstance(decoder, dict):
        found = {int(number): _read_token(value) for number, value in decoder.items() if number.isdecimal()}
        settings["added_tokens_decoder"] = {number: word for number, word in found.items() if word is not None}
    templates = read_templates(contents)
    if templates:
        settings["chat_template"] = templates["default"] if templates.keys() == {"default"} else templates
    try:
        words = backend.from_str(contents["tokenizer.json"].decode("utf-8"))
        fast = import_module("transformers").PreTrainedTokenizerFast
        return fast(tokenizer_object=words, **{**settings, **changes})
    except Exception as error:
        raise ModelUnfit(ErrorName.LOAD_FAILED, "the tokenizer could not be built") from error
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise ModelUnfit(ErrorName.LOAD_FAILED, "the tokenizer could not be built") from error


def _read_token(value: JsonValue) -> Any:
    """A token as a string, or as an object with its content and how it is found in a text."""
    if isinstance(value, str):
        return value
    content = value.get("content") if isinstance(value, dict) else None
    if not isinstance(content, str) or not isinstance(value, dict):
        return None
    flags = {
        name: flag
        for name in ("single_word", "lstrip", "rstrip", "normalized", "special")
        if isinstance(flag := value.get(name), bool)
    }
    return import_module("tokenizers").AddedToken(content, **flags)


def _wrap(tokenizer: Any, decoder: JsonValue, claimed: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
    """As MLX-LM's own `load` does it, but for the modules that a model can name."""
    library = import_part("tokenizer_utils")
    ends = config.get("eos_token_id")
    template, style = None, _choose(claimed.get("chat_template_type"), CHAT_TEMPLATE_TYPES)
    formats = None
    if style is not None:
        module = import_part(f"chat_templates.{style}")
        template, formats = module.apply_chat_template, getattr(module, "RESPONSE_FORMAT", None)
    parser = _choose(claimed.get("tool_parser_type") or library._infer_tool_parser(tokenizer), TOOL_PARSERS)
    tools = None if parser is None else import_part(f"tool_parsers.{parser}")
    if parser is not None:
        tokenizer.init_kwargs["tool_parser_type"] = parser
    return library.TokenizerWrapper(
        tokenizer,
        _choose_detokenizer(library, decoder),
        eos_token_ids=[ends] if isinstance(ends, int) else ends,
        chat_template=template,
        tool_parser=None if tools is None else tools.parse_tool_call,
        tool_call_start=None if tools is None else tools.tool_call_start,
        tool_call_end=None if tools is None else tools.tool_call_end,
        response_format=formats,
    )


def _choose(claimed: object, known: frozenset[str]) -> str | None:
    if claimed is None or claimed == "":
        return None
    if not isinstance(claimed, str) or claimed not in known:
        raise ModelUnfit(ErrorName.LOAD_FAILED, "its tokenizer names a template or a parser that is not known here")
    return claimed


def _choose_detokenizer(library: Any, decoder: JsonValue) -> Any:
    if library._is_spm_decoder(decoder):
        return library.SPMStreamingDetokenizer
    if library._is_spm_decoder_no_space(decoder):
        return partial(library.SPMStreamingDetokenizer, trim_space=False)
    if library._is_bpe_decoder(decoder):
        return library.BPEStreamingDetokenizer
    return library.NaiveStreamingDetokenizer
