"""The model inside tokenizer.json: the vocabulary and how words are cut into it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ostiary.core.findings import Finding, refuse
from ostiary.core.limits import (
    MAX_TOKEN_CHARACTERS,
    MAX_TOKEN_ID,
    MAX_TOKENIZER_MERGES,
    MAX_VOCABULARY,
    MAX_WORD_CHARACTERS,
)
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.read_json import JsonValue, describe_type
from ostiary.intake.rules.tokenizer import (
    TOKENIZER_BROKEN_MERGE,
    TOKENIZER_BYTE_FALLBACK_GAPS,
    TOKENIZER_DUPLICATE_ID,
    TOKENIZER_DUPLICATE_TOKEN,
    TOKENIZER_MALFORMED,
    TOKENIZER_OUT_OF_RANGE,
    TOKENIZER_TOO_LARGE,
    TOKENIZER_UNKNOWN_PART,
    TOKENIZER_UNKNOWN_TOKEN_MISSING,
)
from ostiary.intake.tokens.check_fields import (
    TYPE_FIELD,
    Fields,
    MayBeAbsent,
    check_object,
    is_anything,
    is_count,
    is_flag,
    is_null_or,
    is_text,
    is_token_id,
    need_list,
    need_object,
)


@dataclass(frozen=True, slots=True)
class TokenizerModel:
    """`ids`: token to id; every id within its range and used once."""

    type: str
    ids: Mapping[str, int]
    notes: tuple[Finding, ...]


_SWITCH: Final = MayBeAbsent(is_null_or(is_flag))
_AFFIX: Final = MayBeAbsent(is_null_or(is_text))
_MODELS: Final[Mapping[str, Fields]] = {
    "BPE": {
        "dropout": MayBeAbsent(is_anything),
        "unk_token": _AFFIX,
        "continuing_subword_prefix": _AFFIX,
        "end_of_word_suffix": _AFFIX,
        "fuse_unk": _SWITCH,
        "byte_fallback": _SWITCH,
        "ignore_merges": _SWITCH,
        "vocab": is_anything,
        "merges": is_anything,
    },
    "WordPiece": {
        "unk_token": is_text,
        "continuing_subword_prefix": is_text,
        "max_input_chars_per_word": is_count(MAX_WORD_CHARACTERS),
        "vocab": is_anything,
    },
    "WordLevel": {"unk_token": is_text, "vocab": is_anything},
    "Unigram": {
        "unk_id": MayBeAbsent(is_null_or(is_token_id)),
        "byte_fallback": MayBeAbsent(is_flag),
        "vocab": is_anything,
    },
}


def check_tokenizer_model(value: JsonValue) -> TokenizerModel:
    """The `model` of a tokenizer.json."""
    entry = need_object(value, "model")
    kind = entry.get(TYPE_FIELD, _guess_type(entry))
    if not isinstance(kind, str) or kind not in _MODELS:
        name = quote_untrusted(kind) if isinstance(kind, str) else describe_type(kind)
        raise refuse(TOKENIZER_UNKNOWN_PART, f"model is of an unknown type: {name}")
    model = check_object(entry, "model", {TYPE_FIELD: MayBeAbsent(is_text), **_MODELS[kind]})
    ids = _read_scored_vocabulary(model["vocab"]) if kind == "Unigram" else read_vocabulary(model["vocab"], "model")
    checks: Mapping[str, Callable[[dict[str, JsonValue], Mapping[str, int]], list[Finding]]] = {
        "BPE": _check_bpe,
        "Unigram": _check_unigram,
        "WordPiece": _find_unknown_token,
        "WordLevel": _find_unknown_token,
    }
    return TokenizerModel(kind, ids, tuple(checks[kind](model, ids)))


def _guess_type(model: Mapping[str, JsonValue]) -> str:
    """Files of 2020 carry no type; their readers go by the fields."""
    if isinstance(model.get("vocab"), list):
        return "Unigram"
    if "merges" in model:
        return "BPE"
    return "WordPiece" if "max_input_chars_per_word" in model else "WordLevel"


def read_vocabulary(value: JsonValue, where: str) -> dict[str, int]:
    """An object of token to id."""
    ids: dict[str, int] = {}
    entries = need_object(value, f"{where}.vocab")
    check_vocabulary_size(len(entries), where)
    for token, number in entries.items():
        if len(token) > MAX_TOKEN_CHARACTERS:
            raise refuse(TOKENIZER_TOO_LARGE, f"{where} has a token of {len(token)} characters")
        if not isinstance(number, int) or isinstance(number, bool):
            what = describe_type(number)
            raise refuse(TOKENIZER_MALFORMED, f"the id of '{quote_untrusted(token)}' is {what}, not a whole number")
        if not 0 <= number <= MAX_TOKEN_ID:
            raise refuse(TOKENIZER_OUT_OF_RANGE, f"the id of '{quote_untrusted(token)}' is {number}")
        ids[token] = number
    if len(set(ids.values())) != len(ids):
        raise refuse(TOKENIZER_DUPLICATE_ID, f"{where} gives {_describe_shared(ids)}")
    return ids


def check_vocabulary_size(tokens: int, where: str) -> None:
    if tokens > MAX_VOCABULARY:
        raise refuse(TOKENIZER_TOO_LARGE, f"{where} has {tokens} tokens")


def _describe_shared(ids: Mapping[str, int]) -> str:
    owner: dict[int, str] = {}
    for token, number in ids.items():
        if number in owner:
            return f"'{quote_untrusted(owner[number])}' and '{quote_untrusted(token)}' the same id {number}"
        owner[number] = token
    return "an id twice"


def _read_scored_vocabulary(value: JsonValue) -> dict[str, int]:
    """A list of [token, score]; the id is the place."""
    entries = need_list(value, "model.vocab")
    check_vocabulary_size(len(entries), "model")
    ids: dict[str, int] = {}
    for place, entry in enumerate(entries):
        match entry:
            case [str() as token, int() | float() as score] if not isinstance(score, bool):
                if not token:
                    raise refuse(TOKENIZER_MALFORMED, f"token {place} of the vocabulary is empty")
                if len(token) > MAX_TOKEN_CHARACTERS:
                    raise refuse(TOKENIZER_TOO_LARGE, f"model has a token of {len(token)} characters")
                if token in ids:
                    quoted = quote_untrusted(token)
                    raise refuse(TOKENIZER_DUPLICATE_TOKEN, f"'{quoted}' stands twice in the vocabulary")
                ids[token] = place
            case _:
                raise refuse(TOKENIZER_MALFORMED, f"entry {place} of the vocabulary is not a token and its score")
    return ids


def _check_bpe(model: dict[str, JsonValue], ids: Mapping[str, int]) -> list[Finding]:
    dropout = model.get("dropout")
    if dropout is not None and (
        not isinstance(dropout, int | float) or isinstance(dropout, bool) or not 0 <= dropout <= 1
    ):
        raise refuse(TOKENIZER_OUT_OF_RANGE, "model.dropout is not a number from 0 to 1")
    prefix = model.get("continuing_subword_prefix")
    check_merges(need_list(model["merges"], "model.merges"), ids, prefix if isinstance(prefix, str) else "")
    notes = _find_unknown_token(model, ids)
    if model.get("byte_fallback"):
        notes += _find_byte_gaps(ids)
    return notes


def check_merges(merges: list[JsonValue], ids: Mapping[str, int], prefix: str) -> None:
    """Each merge as "a b" or [a, b], with both and their joint in the vocabulary; `prefix` leaves the second."""
    if len(merges) > MAX_TOKENIZER_MERGES:
        raise refuse(TOKENIZER_TOO_LARGE, f"model has {len(merges)} merges")
    are_lines = bool(merges) and isinstance(merges[0], str)
    for place, merge in enumerate(merges):
        if are_lines and isinstance(merge, str):
            if merge.startswith("#version"):
                continue
            pair = merge.split(" ")
        elif not are_lines and isinstance(merge, list):
            pair = [part for part in merge if isinstance(part, str)]
        else:
            raise refuse(TOKENIZER_MALFORMED, f"merge {place} is {describe_type(merge)}")
        if len(pair) != 2 or (isinstance(merge, list) and len(merge) != 2):
            raise refuse(TOKENIZER_MALFORMED, f"merge {place} is not a pair of tokens")
        left, right = pair
        if left not in ids or right not in ids:
            missing = quote_untrusted(right if left in ids else left)
            raise refuse(TOKENIZER_BROKEN_MERGE, f"merge {place} uses '{missing}', which is not in the vocabulary")
        # The native reader cuts as many bytes off the second part as the prefix has, whatever they are.
        if not right.startswith(prefix) or left + right[len(prefix) :] not in ids:
            quoted = quote_untrusted(f"{left} {right}")
            raise refuse(TOKENIZER_BROKEN_MERGE, f"merge {place}, '{quoted}', gives no token of the vocabulary")


def _check_unigram(model: dict[str, JsonValue], ids: Mapping[str, int]) -> list[Finding]:
    unknown = model.get("unk_id")
    if isinstance(unknown, int) and unknown >= len(ids):
        raise refuse(TOKENIZER_OUT_OF_RANGE, f"model.unk_id is {unknown} in a vocabulary of {len(ids)}")
    notes: list[Finding] = []
    if unknown is None:
        notes.append(Finding(TOKENIZER_UNKNOWN_TOKEN_MISSING, "model.unk_id is not set"))
    if model.get("byte_fallback"):
        notes += _find_byte_gaps(ids)
    return notes


def _find_unknown_token(model: dict[str, JsonValue], ids: Mapping[str, int]) -> list[Finding]:
    unknown = model.get("unk_token")
    if not isinstance(unknown, str) or not unknown or unknown in ids:
        return []
    quoted = quote_untrusted(unknown)
    return [Finding(TOKENIZER_UNKNOWN_TOKEN_MISSING, f"model.unk_token '{quoted}' is not in the vocabulary")]


def _find_byte_gaps(ids: Mapping[str, int]) -> list[Finding]:
    missing = sum(f"<0x{byte:02X}>" not in ids for byte in range(256))
    if not missing:
        return []
    return [Finding(TOKENIZER_BYTE_FALLBACK_GAPS, f"{missing} of the 256 byte tokens are missing")]
