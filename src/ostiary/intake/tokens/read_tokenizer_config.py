"""tokenizer_config.json: chat templates, special tokens, and names by which loaders choose code.

Its set of fields is open: Transformers hands unknown ones on to the tokenizer class. What is known is checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Final

from ostiary.core.findings import Finding, refusal_of, refuse
from ostiary.core.limits import MAX_JSON_BYTES, MAX_TEMPLATES, MAX_TOKEN_ID, MAX_VOCABULARY
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.code.find_code_in_json import find_code_in_json
from ostiary.intake.read_json import JsonValue, describe_type, parse_json_object
from ostiary.intake.rules.tokenizer import (
    TOKENIZER_CONFIG_MALFORMED,
    TOKENIZER_DUPLICATE_ID,
    TOKENIZER_DUPLICATE_TEMPLATE,
    TOKENIZER_MODULE_NAME,
    TOKENIZER_OUT_OF_RANGE,
    TOKENIZER_OUTSIDE_FILE,
    TOKENIZER_TOO_LARGE,
    TOKENIZER_UNKNOWN_CLASS,
)
from ostiary.intake.tokens.loader_names import CHAT_TEMPLATE_TYPES, TOKENIZER_CLASSES, TOOL_PARSERS
from ostiary.intake.tokens.tokenizer import AddedToken

_FLAGS: Final = (
    "add_bos_token add_eos_token add_prefix_space clean_up_tokenization_spaces do_lower_case legacy"
    " split_special_tokens spaces_between_special_tokens tokenize_chinese_chars use_default_system_prompt use_fast"
).split()
_TEXTS: Final = (
    "tokenizer_class processor_class padding_side truncation_side name_or_path tokenizer_file vocab_file"
    " merges_file special_tokens_map_file"
).split()
_FILES: Final = ("tokenizer_file", "vocab_file", "merges_file", "special_tokens_map_file")
_ROLES: Final = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_LISTS_OF_TOKENS: Final = ("additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens")


@dataclass(frozen=True, slots=True)
class TokenizerConfig:
    """A tokenizer_config.json whose known fields have their types."""

    templates: tuple[tuple[str, str], ...] = field(repr=False)
    """Name and text of each chat template; the name is "default" where the file gives none."""
    special_tokens: tuple[tuple[str, str], ...]
    """Role and content, such as ("eos_token", "</s>"); loaders add those that the tokenizer lacks."""
    added: tuple[AddedToken, ...]
    """What `added_tokens_decoder` lists."""
    model_max_length: float | None
    class_name: str | None
    notes: tuple[Finding, ...]


def parse_tokenizer_config(data: bytes) -> TokenizerConfig:
    """The configuration that `data` describes."""
    entry = parse_json_object(data, max_bytes=MAX_JSON_BYTES)
    _refuse_code(entry)
    for name in _FLAGS:
        if not isinstance(entry.get(name), bool | None):
            raise _wrong_type(name, entry[name], "a boolean")
    for name in _TEXTS:
        if not isinstance(entry.get(name), str | None):
            raise _wrong_type(name, entry[name], "a string")
    class_name = entry.get("tokenizer_class")
    return TokenizerConfig(
        templates=read_templates(entry.get("chat_template")),
        special_tokens=read_special_tokens(entry),
        added=_read_decoder(entry.get("added_tokens_decoder")),
        model_max_length=_read_max_length(entry.get("model_max_length")),
        class_name=class_name if isinstance(class_name, str) else None,
        notes=(*_find_unknown_class(class_name), *_find_outside_files(entry)),
    )


def _wrong_type(name: str, value: JsonValue, wanted: str) -> Exception:
    found = describe_type(value)
    return refuse(TOKENIZER_CONFIG_MALFORMED, f"'{quote_untrusted(name)}' is {found}, not {wanted}")


def _refuse_code(entry: Mapping[str, JsonValue]) -> None:
    """Whatever else is wrong with it: a configuration that names code is refused for that."""
    for name, known in (("chat_template_type", CHAT_TEMPLATE_TYPES), ("tool_parser_type", TOOL_PARSERS)):
        value = entry.get(name)
        if value is None or value == "":
            continue
        if not isinstance(value, str) or value not in known:
            named = f"'{quote_untrusted(value)}'" if isinstance(value, str) else describe_type(value)
            raise refuse(TOKENIZER_MODULE_NAME, f"{name} is {named}, which MLX-LM would import")
    code = [finding for finding in find_code_in_json(dict(entry)) if finding.is_refusing]
    if code:
        raise refusal_of(code[0], *code[1:])


def read_templates(value: JsonValue) -> tuple[tuple[str, str], ...]:
    """`chat_template`: a text, an object of texts by name, or a list of {name, template}."""
    named: list[tuple[str, str]] = []
    match value:
        case None:
            return ()
        case str():
            named.append(("default", value))
        case dict():
            for name, text in value.items():
                if not isinstance(text, str):
                    raise _wrong_type("chat_template", text, "a string")
                named.append((name, text))
        case list():
            for inner in value:
                match inner:
                    case {"name": str() as name, "template": str() as text, **further} if not further:
                        named.append((name, text))
                    case _:
                        raise _wrong_type("chat_template", inner, "a name and a template")
        case _:
            raise _wrong_type("chat_template", value, "a template or a list of them")
    if len(named) > MAX_TEMPLATES:
        raise refuse(TOKENIZER_TOO_LARGE, f"{len(named)} chat templates")
    if len({name for name, _ in named}) != len(named):
        raise refuse(TOKENIZER_DUPLICATE_TEMPLATE, "a name of a chat template stands twice")
    return tuple(named)


def read_special_tokens(entry: Mapping[str, JsonValue]) -> tuple[tuple[str, str], ...]:
    """Every field that makes a loader add a token: those named `..._token`, and the lists of further ones."""
    tokens: list[tuple[str, str]] = []
    for name, value in entry.items():
        if name in _LISTS_OF_TOKENS:
            if not isinstance(value, list | dict | None):
                raise _wrong_type(name, value, "a list of tokens")
            inner = value.values() if isinstance(value, dict) else value or ()
            tokens.extend((name, _content_of(name, token)) for token in inner)
        elif (name in _ROLES and value is not None) or (name.endswith("_token") and isinstance(value, str | dict)):
            tokens.append((name, _content_of(name, value)))
    if len(tokens) > MAX_VOCABULARY:
        raise refuse(TOKENIZER_TOO_LARGE, f"{len(tokens)} special tokens")
    return tuple(tokens)


def _content_of(name: str, value: JsonValue) -> str:
    match value:
        case str():
            return value
        case {"content": str() as content}:
            return content
        case _:
            raise _wrong_type(name, value, "a token")


def _read_decoder(value: JsonValue) -> tuple[AddedToken, ...]:
    """`added_tokens_decoder`: an object of id, in decimal, to token."""
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise _wrong_type("added_tokens_decoder", value, "an object")
    if len(value) > MAX_VOCABULARY:
        raise refuse(TOKENIZER_TOO_LARGE, f"{len(value)} added tokens")
    added: dict[int, AddedToken] = {}
    for key, token in value.items():
        if not (key.isascii() and key.isdecimal()) or len(key) > len(str(int(MAX_TOKEN_ID))):
            quoted = quote_untrusted(key)
            raise refuse(TOKENIZER_CONFIG_MALFORMED, f"added_tokens_decoder has an id '{quoted}'")
        number = int(key)
        if number > MAX_TOKEN_ID:
            raise refuse(TOKENIZER_OUT_OF_RANGE, f"added_tokens_decoder has an id {number}")
        if number in added:
            raise refuse(TOKENIZER_DUPLICATE_ID, f"added_tokens_decoder has the id {number} twice")
        content = _content_of("added_tokens_decoder", token)
        added[number] = AddedToken(number, content, isinstance(token, dict) and token.get("special") is True)
    return tuple(added.values())


def _read_max_length(value: JsonValue) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _wrong_type("model_max_length", value, "a number")
    # Some publishers leave it at 0 or -1, which loaders take for "none".
    return value if value > 0 else None


def _find_unknown_class(value: JsonValue) -> list[Finding]:
    if not isinstance(value, str) or value.removesuffix("Fast") in TOKENIZER_CLASSES:
        return []
    return [Finding(TOKENIZER_UNKNOWN_CLASS, f"tokenizer_class is '{quote_untrusted(value)}'")]


def _find_outside_files(entry: Mapping[str, JsonValue]) -> list[Finding]:
    return [
        Finding(TOKENIZER_OUTSIDE_FILE, f"{name} is '{quote_untrusted(path)}'")
        for name in _FILES
        if isinstance(path := entry.get(name), str) and _leads_outside(path)
    ]


def _leads_outside(path: str) -> bool:
    return path.startswith(("/", "~", "\\")) or ":" in path or ".." in path.replace("\\", "/").split("/")
