"""tokenizer.json, the format of the `tokenizers` library.

Accepted is what that library builds without ending the process, and what it then encodes in bounded work: known
parts only, every reference inside the file, nothing that multiplies a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.findings import Finding, refuse
from ostiary.core.limits import (
    MAX_JSON_BYTES,
    MAX_PADDED_TOKENS,
    MAX_TOKEN_ID,
    MAX_VOCABULARY,
)
from ostiary.core.text import is_invisible, quote_untrusted
from ostiary.intake.read_json import JsonValue, parse_json_object
from ostiary.intake.rules.tokenizer import (
    TOKENIZER_DUPLICATE_ID,
    TOKENIZER_DUPLICATE_TOKEN,
    TOKENIZER_HIDDEN_CHARACTERS,
    TOKENIZER_ID_DISAGREES,
    TOKENIZER_ID_GAPS,
    TOKENIZER_MALFORMED,
    TOKENIZER_OUT_OF_RANGE,
    TOKENIZER_PADDING_BOMB,
    TOKENIZER_TOO_LARGE,
)
from ostiary.intake.tokens.check_fields import (
    Check,
    Fields,
    MayBeAbsent,
    check_object,
    is_anything,
    is_count,
    is_flag,
    is_null_or,
    is_one_of,
    is_text,
    is_token_id,
    need_list,
    need_object,
    need_text,
    need_whole,
)
from ostiary.intake.tokens.check_tokenizer_model import check_tokenizer_model
from ostiary.intake.tokens.check_tokenizer_parts import TokenizerParts
from ostiary.intake.tokens.tokenizer import AddedToken, Tokenizer

_LATER: Final = MayBeAbsent(is_anything)
_TOKENIZER: Final[Fields] = {
    "version": MayBeAbsent(is_one_of("1.0")),
    **dict.fromkeys(
        "truncation padding added_tokens normalizer pre_tokenizer post_processor decoder".split(), _LATER
    ),
    "model": is_anything,
}
_ADDED_TOKEN: Final[Fields] = {
    "id": is_token_id,
    "content": is_text,
    **dict[str, Check].fromkeys("single_word lstrip rstrip normalized special".split(), is_flag),
}
_TRUNCATION: Final[Fields] = {
    "direction": MayBeAbsent(is_one_of("Left", "Right")),
    "max_length": is_count(MAX_TOKEN_ID),
    "strategy": is_one_of("LongestFirst", "OnlyFirst", "OnlySecond"),
    "stride": is_count(MAX_TOKEN_ID),
}
_PADDING: Final[Fields] = {
    "strategy": is_anything,
    "direction": is_one_of("Left", "Right"),
    "pad_to_multiple_of": MayBeAbsent(is_null_or(is_anything)),
    "pad_id": is_token_id,
    "pad_type_id": is_token_id,
    "pad_token": is_text,
}
_PARTS: Final = ("normalizer", "pre_tokenizer", "post_processor", "decoder")


def parse_tokenizer(data: bytes) -> Tokenizer:
    """The tokenizer that `data` describes."""
    entry = check_object(dict(parse_json_object(data, max_bytes=MAX_JSON_BYTES)), "tokenizer", _TOKENIZER)
    parts = TokenizerParts()
    for family in _PARTS:
        parts.check(family, entry.get(family))
    model = check_tokenizer_model(entry["model"])
    added = _read_added_tokens(entry.get("added_tokens", []))
    effective = assign_ids(added, model.ids)
    if entry.get("truncation") is not None:
        _check_truncation(entry["truncation"], parts.added_tokens)
    used = {*model.ids.values(), *effective.values(), *(token.id for token in added), *parts.ids}
    if entry.get("padding") is not None:
        used.add(_check_padding(entry["padding"]))
    notes = (*model.notes, *parts.notes, *_find_in_added(added, effective), *_find_gaps(model.ids, added))
    return Tokenizer(
        model_type=model.type,
        size=len(model.ids) + sum(token not in model.ids for token in effective),
        max_id=max(used, default=-1),
        added=added,
        vocabulary=MappingProxyType(dict(model.ids)),
        notes=notes,
    )


def _read_added_tokens(value: JsonValue) -> tuple[AddedToken, ...]:
    entries = need_list(value, "added_tokens")
    if len(entries) > MAX_VOCABULARY:
        raise refuse(TOKENIZER_TOO_LARGE, f"{len(entries)} added tokens")
    ids: set[int] = set()
    added: dict[str, AddedToken] = {}
    for place, entry in enumerate(entries):
        where = f"added_tokens[{place}]"
        token = check_object(entry, where, _ADDED_TOKEN)
        number = need_whole(token["id"], where)
        content = need_text(token["content"], where)
        if not content:
            raise refuse(TOKENIZER_MALFORMED, f"{where} is empty")
        if content in added:
            raise refuse(TOKENIZER_DUPLICATE_TOKEN, f"'{quote_untrusted(content)}' is added twice")
        if number in ids:
            raise refuse(TOKENIZER_DUPLICATE_ID, f"the id {number} is given to two added tokens")
        ids.add(number)
        added[content] = AddedToken(number, content, token["special"] is True)
    return tuple(added.values())


def assign_ids(added: tuple[AddedToken, ...], ids: Mapping[str, int]) -> dict[str, int]:
    """The ids the native library will use: that of the vocabulary, else the next one, whatever the file says."""
    following = len(ids)
    effective: dict[str, int] = {}
    for token in added:
        if token.content in ids:
            effective[token.content] = ids[token.content]
        else:
            effective[token.content] = following
            following += 1
    return effective


def _check_truncation(value: JsonValue, added_tokens: int) -> None:
    truncation = check_object(value, "truncation", _TRUNCATION)
    length = need_whole(truncation["max_length"], "truncation.max_length")
    stride = need_whole(truncation["stride"], "truncation.stride")
    # A pair of texts shares the window, and the native library ends the process where a window does not advance.
    if stride and stride >= (length - added_tokens) // 2:
        raise refuse(TOKENIZER_OUT_OF_RANGE, f"windows of {length} tokens that overlap by {stride}")


def _check_padding(value: JsonValue) -> int:
    """The id that pads."""
    padding = check_object(value, "padding", _PADDING)
    strategy = padding["strategy"]
    if strategy != "BatchLongest":
        fixed = need_object(strategy, "padding.strategy")
        if tuple(fixed) != ("Fixed",):
            raise refuse(TOKENIZER_MALFORMED, "padding.strategy is neither BatchLongest nor Fixed")
        _check_padded_length(fixed["Fixed"], "padding.strategy.Fixed")
    if padding.get("pad_to_multiple_of") is not None:
        _check_padded_length(padding["pad_to_multiple_of"], "padding.pad_to_multiple_of")
    return need_whole(padding["pad_id"], "padding.pad_id")


def _check_padded_length(value: JsonValue, where: str) -> None:
    length = need_whole(value, where, most=2**64)
    if length > MAX_PADDED_TOKENS:
        raise refuse(TOKENIZER_PADDING_BOMB, f"{where} is {length} tokens, the ceiling is {int(MAX_PADDED_TOKENS)}")


def _find_in_added(added: tuple[AddedToken, ...], effective: Mapping[str, int]) -> list[Finding]:
    notes: list[Finding] = []
    moved = [token for token in added if effective[token.content] != token.id]
    if moved:
        first = moved[0]
        quoted = quote_untrusted(first.content)
        became = f"'{quoted}' says id {first.id} and gets {effective[first.content]}"
        notes.append(Finding(TOKENIZER_ID_DISAGREES, f"{len(moved)} added tokens: {became}"))
    hidden = [token for token in added if any(is_invisible(c) and c not in "\n\t\r" for c in token.content)]
    if hidden:
        quoted = quote_untrusted(hidden[0].content)
        notes.append(Finding(TOKENIZER_HIDDEN_CHARACTERS, f"{len(hidden)} added tokens, the first '{quoted}'"))
    return notes


def _find_gaps(ids: Mapping[str, int], added: tuple[AddedToken, ...]) -> list[Finding]:
    used = {*ids.values(), *(token.id for token in added)}
    missing = max(used, default=-1) + 1 - len(used)
    return [Finding(TOKENIZER_ID_GAPS, f"{missing} ids below the highest are unused")] if missing else []
