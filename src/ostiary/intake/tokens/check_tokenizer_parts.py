"""Normalizers, pre-tokenizers, post-processors and decoders of tokenizer.json: known fields, bounded work.

The native library reads them leniently and trusts them when it works: a template that names a missing token, a
length of zero or a broken character map ends the process, and chained replacements multiply the text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ostiary.core.findings import Finding, refuse
from ostiary.core.limits import (
    MAX_REGEX_CHARACTERS,
    MAX_TEMPLATE_PIECES,
    MAX_TEXT_GROWTH,
    MAX_TOKEN_CHARACTERS,
    MAX_TOKENIZER_DEPTH,
    MAX_TOKENIZER_PARTS,
    MAX_TOKENIZER_REGEX_CHARACTERS,
)
from ostiary.core.text import quote_untrusted
from ostiary.intake.read_json import JsonValue
from ostiary.intake.rules.tokenizer import (
    TOKENIZER_AMPLIFIER,
    TOKENIZER_DANGLING_REFERENCE,
    TOKENIZER_MALFORMED,
    TOKENIZER_STRIP_AT_END,
    TOKENIZER_TOO_LARGE,
    TOKENIZER_UNKNOWN_PART,
)
from ostiary.intake.tokens.check_charsmap import check_charsmap_text
from ostiary.intake.tokens.check_fields import (
    TYPE_FIELD,
    Fields,
    MayBeAbsent,
    check_object,
    is_anything,
    is_character,
    is_count,
    is_flag,
    is_null_or,
    is_one_of,
    is_text,
    need_list,
    need_object,
    need_text,
    need_whole,
)
from ostiary.intake.tokens.check_regex import can_match_nothing, find_backtracking

_NOTHING: Final[Fields] = {}
_BYTE_LEVEL: Final[Fields] = {
    "add_prefix_space": is_flag,
    "trim_offsets": is_flag,
    "use_regex": MayBeAbsent(is_flag),
}
_METASPACE: Final[Fields] = {
    "replacement": is_character,
    "add_prefix_space": MayBeAbsent(is_null_or(is_flag)),
    "prepend_scheme": MayBeAbsent(is_one_of("first", "never", "always")),
    "split": MayBeAbsent(is_null_or(is_flag)),
    "str_rep": MayBeAbsent(is_null_or(is_text)),
}
_REPLACE: Final[Fields] = {"pattern": is_anything, "content": is_text}
_BEHAVIOUR: Final = is_one_of("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")

_NORMALIZERS: Final[Mapping[str, Fields]] = {
    "BertNormalizer": {
        "clean_text": is_flag,
        "handle_chinese_chars": is_flag,
        "strip_accents": MayBeAbsent(is_null_or(is_flag)),
        "lowercase": is_flag,
    },
    "Strip": {"strip_left": is_flag, "strip_right": is_flag},
    **dict.fromkeys(("StripAccents", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Nmt", "ByteLevel"), _NOTHING),
    "Precompiled": {"precompiled_charsmap": is_anything},
    "Replace": _REPLACE,
    "Prepend": {"prepend": is_text},
    "Sequence": {"normalizers": is_anything},
}
_PRE_TOKENIZERS: Final[Mapping[str, Fields]] = {
    **dict.fromkeys(("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "UnicodeScripts"), _NOTHING),
    "ByteLevel": _BYTE_LEVEL,
    "CharDelimiterSplit": {"delimiter": is_character},
    "Metaspace": _METASPACE,
    "Split": {"pattern": is_anything, "behavior": _BEHAVIOUR, "invert": is_flag},
    "Punctuation": {"behavior": MayBeAbsent(_BEHAVIOUR)},
    "Digits": {"individual_digits": is_flag},
    "FixedLength": {"length": is_count(MAX_TOKEN_CHARACTERS, least=1)},
    "Sequence": {"pretokenizers": is_anything},
}
_POST_PROCESSORS: Final[Mapping[str, Fields]] = {
    "BertProcessing": {"sep": is_anything, "cls": is_anything},
    "RobertaProcessing": {
        "sep": is_anything,
        "cls": is_anything,
        "trim_offsets": is_flag,
        "add_prefix_space": is_flag,
    },
    "ByteLevel": _BYTE_LEVEL,
    "TemplateProcessing": {"single": is_anything, "pair": is_anything, "special_tokens": is_anything},
    "Sequence": {"processors": is_anything},
}
_DECODERS: Final[Mapping[str, Fields]] = {
    "BPEDecoder": {"suffix": is_text},
    "ByteLevel": _BYTE_LEVEL,
    "WordPiece": {"prefix": is_text, "cleanup": is_flag},
    "Metaspace": _METASPACE,
    "CTC": {"pad_token": is_text, "word_delimiter_token": is_text, "cleanup": is_flag},
    "Replace": _REPLACE,
    **dict.fromkeys(("Fuse", "ByteFallback"), _NOTHING),
    "Strip": {
        "content": is_character,
        "start": is_count(MAX_TOKEN_CHARACTERS),
        "stop": is_count(MAX_TOKEN_CHARACTERS),
    },
    "Sequence": {"decoders": is_anything},
}
_FAMILIES: Final[Mapping[str, tuple[Mapping[str, Fields], str]]] = {
    "normalizer": (_NORMALIZERS, "normalizers"),
    "pre_tokenizer": (_PRE_TOKENIZERS, "pretokenizers"),
    "post_processor": (_POST_PROCESSORS, "processors"),
    "decoder": (_DECODERS, "decoders"),
}


class TokenizerParts:
    """Checks the four chains one after the other and gathers what the whole needs to know of them."""

    __slots__ = ("_growth", "_left", "_regex_characters", "added_tokens", "ids", "notes")

    def __init__(self) -> None:
        self.notes: list[Finding] = []
        self.ids: set[int] = set()
        """Ids that a post-processor inserts."""
        self.added_tokens = 0
        """How many tokens a post-processor adds to a text, or to a pair of them."""
        self._growth = 1
        self._left = 0
        self._regex_characters = 0

    def check(self, family: str, value: JsonValue) -> None:
        """`value` as the chain of that family; null for none."""
        self._growth = 1
        self._left = MAX_TOKENIZER_PARTS
        if value is not None:
            self._check_part(family, value, family, 0)

    def _check_part(self, family: str, value: JsonValue, where: str, depth: int) -> None:
        self._left -= 1
        if depth > MAX_TOKENIZER_DEPTH or self._left < 0:
            raise refuse(TOKENIZER_TOO_LARGE, f"{family} with too many parts, or nested too deep")
        known, sequence_field = _FAMILIES[family]
        kind = need_object(value, where).get(TYPE_FIELD)
        if not isinstance(kind, str) or kind not in known:
            name = quote_untrusted(kind) if isinstance(kind, str) else "no type"
            raise refuse(TOKENIZER_UNKNOWN_PART, f"{where} is of an unknown type: {name}")
        part = check_object(value, where, {TYPE_FIELD: is_text, **known[kind]})
        if kind == "Sequence":
            for place, inner in enumerate(need_list(part[sequence_field], where)):
                self._check_part(family, inner, f"{where}[{place}]", depth + 1)
            return
        special: Mapping[str, Callable[[dict[str, JsonValue], str], None]] = {
            "Precompiled": self._check_precompiled,
            "Replace": self._check_replace,
            "Split": self._check_split,
            "Metaspace": self._check_metaspace,
            "BertProcessing": self._check_pair_of_tokens,
            "RobertaProcessing": self._check_pair_of_tokens,
            "TemplateProcessing": self._check_template,
            "Strip": self._check_strip,
        }
        if kind in special:
            special[kind](part, where)

    def _check_precompiled(self, part: dict[str, JsonValue], where: str) -> None:
        text = part["precompiled_charsmap"]
        if not isinstance(text, str):
            raise refuse(TOKENIZER_MALFORMED, f"{where} has a character map that is not a string")
        check_charsmap_text(text)

    def _check_split(self, part: dict[str, JsonValue], where: str) -> None:
        self._check_pattern(part["pattern"], where)

    def _check_replace(self, part: dict[str, JsonValue], where: str) -> None:
        shortest = self._check_pattern(part["pattern"], where)
        content = len(need_text(part["content"], where))
        times = content + 1 if shortest == 0 else -(-content // shortest)
        self._growth *= max(times, 1)
        if self._growth > MAX_TEXT_GROWTH:
            raise refuse(TOKENIZER_AMPLIFIER, f"{where} and what is before it multiply a text by {self._growth}")

    def _check_pattern(self, value: JsonValue, where: str) -> int:
        """The least number of characters it matches."""
        pattern = need_object(value, f"{where}.pattern")
        match pattern:
            case {"String": str() as text} if len(pattern) == 1:
                if not text or len(text) > MAX_REGEX_CHARACTERS:
                    raise refuse(TOKENIZER_MALFORMED, f"{where} looks for a text of {len(text)} characters")
                return len(text)
            case {"Regex": str() as text} if len(pattern) == 1:
                self._regex_characters += len(text)
                if self._regex_characters > MAX_TOKENIZER_REGEX_CHARACTERS:
                    detail = f"{self._regex_characters} characters of regular expressions"
                    raise refuse(TOKENIZER_TOO_LARGE, detail)
                self.notes += find_backtracking(text)
                return 0 if can_match_nothing(text) else 1
            case _:
                raise refuse(TOKENIZER_MALFORMED, f"{where} has a pattern that is neither a String nor a Regex")

    def _check_metaspace(self, part: dict[str, JsonValue], where: str) -> None:
        if part.get("add_prefix_space") is False and part.get("prepend_scheme", "always") != "never":
            raise refuse(TOKENIZER_MALFORMED, f"{where} contradicts itself on a leading space")

    def _check_strip(self, part: dict[str, JsonValue], where: str) -> None:
        if part.get("stop"):
            self.notes.append(Finding(TOKENIZER_STRIP_AT_END, f"{where} strips the end of each token"))

    def _check_pair_of_tokens(self, part: dict[str, JsonValue], where: str) -> None:
        for name in ("sep", "cls"):
            pair = need_list(part[name], where)
            if len(pair) != 2:
                raise refuse(TOKENIZER_MALFORMED, f"{where}.{name} is not a token and its id")
            need_text(pair[0], where)
            self.ids.add(need_whole(pair[1], f"{where}.{name}"))
        self.added_tokens += 4

    def _check_template(self, part: dict[str, JsonValue], where: str) -> None:
        counts: dict[str, int] = {}
        for name, value in need_object(part["special_tokens"], where).items():
            counts[name] = self._check_special_token(value, f"{where}.special_tokens")
        single = self._check_pieces(part["single"], f"{where}.single", counts, "A")
        pair = self._check_pieces(part["pair"], f"{where}.pair", counts, "AB")
        self.added_tokens += max(single, pair)
        if self.added_tokens > MAX_TEMPLATE_PIECES:
            raise refuse(TOKENIZER_TOO_LARGE, f"{where} adds {self.added_tokens} tokens to every text")

    def _check_special_token(self, value: JsonValue, where: str) -> int:
        token = check_object(value, where, {"id": is_text, "ids": is_anything, "tokens": is_anything})
        ids = need_list(token["ids"], where)
        tokens = need_list(token["tokens"], where)
        if len(ids) != len(tokens) or len(ids) > MAX_TEMPLATE_PIECES:
            raise refuse(TOKENIZER_MALFORMED, f"{where} has {len(ids)} ids for {len(tokens)} tokens")
        for inner in tokens:
            need_text(inner, where)
        self.ids.update(need_whole(inner, where) for inner in ids)
        return len(ids)

    def _check_pieces(self, value: JsonValue, where: str, counts: Mapping[str, int], allowed: str) -> int:
        """How many tokens it adds. Uses each sequence at most once, and only those there are."""
        added = 0
        used: list[str] = []
        pieces = need_list(value, where)
        if len(pieces) > MAX_TEMPLATE_PIECES:
            raise refuse(TOKENIZER_TOO_LARGE, f"{where} has {len(pieces)} pieces")
        for piece in pieces:
            inner = need_object(piece, where)
            kind = next(iter(inner), "")
            if kind not in ("Sequence", "SpecialToken") or len(inner) != 1:
                raise refuse(TOKENIZER_MALFORMED, f"{where} has a piece that is neither a sequence nor a token")
            entry = check_object(inner[kind], where, {"id": is_text, "type_id": is_anything})
            need_whole(entry["type_id"], where)
            name = need_text(entry["id"], where)
            if kind == "SpecialToken" and name not in counts:
                quoted = quote_untrusted(name)
                raise refuse(
                    TOKENIZER_DANGLING_REFERENCE, f"{where} adds the token '{quoted}' that it does not define"
                )
            if kind == "SpecialToken":
                added += counts[name]
            elif name not in ("A", "B"):
                raise refuse(TOKENIZER_MALFORMED, f"{where} names a sequence '{quote_untrusted(name)}'")
            elif name not in allowed:
                raise refuse(TOKENIZER_DANGLING_REFERENCE, f"{where} uses a second text where there is one")
            elif name in used:
                raise refuse(TOKENIZER_AMPLIFIER, f"{where} repeats the text")
            else:
                used.append(name)
        return added
