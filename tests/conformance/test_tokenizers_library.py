"""The `tokenizers` library as judge: what is accepted here, it builds, and it does not panic on any text."""

# ruff: noqa: S106, S311 - tokens here are words of a vocabulary, and chance needs no secrecy

from __future__ import annotations

import base64
import contextlib
import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from ostiary.errors import IntakeRefused
from ostiary.intake.tokens.check_regex import find_backtracking
from ostiary.intake.tokens.read_tokenizer import parse_tokenizer

tokenizers = pytest.importorskip("tokenizers")
pytestmark = pytest.mark.mlx

TEXTS = (
    "",
    "a",
    "hello world",
    " \n\t x  ",
    "ﷺ \uff46\uff55 é 漢字 \U0001f600",
    "abc" * 20,
    "<s>a</s> [CLS]",
    "it's 1234,5",
)
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"

VOCABULARY = {
    token: number for number, token in enumerate(["<unk>", "<s>", "</s>", *"abcdehlorw ▁", "ab", "##b", "a##b"])
}
MODELS = (
    tokenizers.models.BPE(vocab=VOCABULARY, merges=[("a", "b")], unk_token="<unk>"),
    tokenizers.models.BPE(vocab=VOCABULARY, merges=[], byte_fallback=True, dropout=0.1, end_of_word_suffix="</w>"),
    tokenizers.models.WordPiece(vocab=VOCABULARY, unk_token="<unk>", max_input_chars_per_word=100),
    tokenizers.models.WordLevel(vocab=VOCABULARY, unk_token="<unk>"),
    tokenizers.models.Unigram(vocab=[(token, -float(n)) for token, n in VOCABULARY.items()], unk_id=0),
)


def normalizers() -> Iterator[Any]:
    n = tokenizers.normalizers
    yield from (n.BertNormalizer(), n.Strip(), n.StripAccents(), n.NFC(), n.NFD(), n.NFKC(), n.NFKD())
    yield from (
        n.Lowercase(),
        n.Nmt(),
        n.Replace("a", "b"),
        n.Replace(tokenizers.Regex(" {2,}"), "▁"),
        n.Prepend("▁"),
    )
    yield from (n.ByteLevel(), n.Sequence([n.NFC(), n.Lowercase()]))


def pre_tokenizers() -> Iterator[Any]:
    p = tokenizers.pre_tokenizers
    yield from (p.BertPreTokenizer(), p.ByteLevel(), p.CharDelimiterSplit(","), p.Metaspace(), p.Whitespace())
    yield from (p.Split(tokenizers.Regex(GPT2), "isolated"), p.Split(" ", "merged_with_previous"), p.Punctuation())
    yield from (p.WhitespaceSplit(), p.Digits(True), p.UnicodeScripts(), p.FixedLength(3))
    yield p.Sequence([p.Digits(), p.ByteLevel(use_regex=False)])


def post_processors() -> Iterator[Any]:
    p = tokenizers.processors
    template = p.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    yield from (
        p.BertProcessing(("</s>", 2), ("<s>", 1)),
        p.RobertaProcessing(("</s>", 2), ("<s>", 1)),
        p.ByteLevel(),
    )
    yield from (template, p.Sequence([p.ByteLevel(), template]))


def decoders() -> Iterator[Any]:
    d = tokenizers.decoders
    yield from (d.BPEDecoder(), d.ByteLevel(), d.WordPiece(), d.Metaspace(), d.CTC(), d.Fuse(), d.ByteFallback())
    yield from (d.Strip(" ", 1, 0), d.Replace("▁", " "), d.Sequence([d.ByteFallback(), d.Fuse()]))


def built() -> list[Any]:
    """One tokenizer per part the library has, as the library itself writes it."""
    made = []
    for field, parts in (
        ("normalizer", normalizers()),
        ("pre_tokenizer", pre_tokenizers()),
        ("post_processor", post_processors()),
        ("decoder", decoders()),
    ):
        for number, part in enumerate(parts):
            tokenizer = tokenizers.Tokenizer(MODELS[number % len(MODELS)])
            setattr(tokenizer, field, part)
            made.append(tokenizer)
    for model in MODELS:
        tokenizer = tokenizers.Tokenizer(model)
        tokenizer.add_special_tokens(["<s>", "</s>", "<new>"])
        tokenizer.add_tokens(["plain"])
        tokenizer.enable_truncation(16, stride=2)
        tokenizer.enable_padding(length=8, pad_id=2, pad_token="</s>")
        made.append(tokenizer)
    return made


def use(text: str) -> None:
    """Builds and uses it. Errors while encoding are honest answers; a panic is none: it is a BaseException."""
    tokenizer = tokenizers.Tokenizer.from_str(text)
    # Which window "only_first" leaves depends on the other text; nothing here encodes pairs with it.
    strategy = (tokenizer.truncation or {}).get("strategy", "longest_first")
    for sample in TEXTS:
        with contextlib.suppress(Exception):
            encoding = tokenizer.encode(sample)
            if strategy == "longest_first":
                tokenizer.encode(sample, sample)
            tokenizer.decode(encoding.ids, skip_special_tokens=False)


@pytest.mark.parametrize("tokenizer", built(), ids=lambda t: type(t.model).__name__)
def test_accepts_what_the_library_writes(tokenizer: Any) -> None:
    text = tokenizer.to_str()
    parsed = parse_tokenizer(text.encode())
    assert parsed.size == tokenizer.get_vocab_size()
    assert parsed.max_id >= max(tokenizer.get_vocab().values())
    use(text)


def test_ids_are_those_the_library_gives() -> None:
    document = json.loads(tokenizers.Tokenizer(MODELS[0]).to_str())
    token = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    document["added_tokens"] = [{"id": 500, "content": "<far>", **token}, {"id": 3, "content": "ab", **token}]
    text = json.dumps(document)
    library = tokenizers.Tokenizer.from_str(text)
    parsed = parse_tokenizer(text.encode())
    assert library.token_to_id("<far>") == len(VOCABULARY)
    assert library.token_to_id("ab") == VOCABULARY["ab"]
    assert {note.rule.id for note in parsed.notes} == {"tokenizer.id-disagrees", "tokenizer.id-gaps"}
    assert parsed.max_id == 500


SCALARS: tuple[Any, ...] = (
    None, True, False, 0, 1, 2, -1, 15, 63, 2**31, 2**40, 0.5, "", "a", "▁", " ", "ab", "b", "(a", "A", "B", "</s>",
    "<unk>", "#", "é", [], {}, ["a", 1], [1], ["a", "b"], {"Fixed": 3}, {"String": "a"}, {"Regex": "a|"}, "Fuse", "BPE",
)  # fmt: skip


def mutate(value: Any, chance: random.Random) -> Any:
    """`value` with one thing in it changed."""
    places: list[tuple[Any, Any]] = []
    pending = [value]
    while pending:
        current = pending.pop()
        inner = current.items() if isinstance(current, dict) else enumerate(current)
        for key, child in inner:
            places.append((current, key))
            if isinstance(child, dict | list):
                pending.append(child)
    holder, key = chance.choice(places)
    other, other_key = chance.choice(places)
    action = chance.randrange(5)
    if action == 0:
        del holder[key]
    elif action == 1:
        holder[key] = copy.deepcopy(other[other_key])
    elif action == 2 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(other[other_key]))
    elif action == 3 and isinstance(holder[key], int) and not isinstance(holder[key], bool):
        holder[key] += chance.choice((-1, 1, 3, 1000))
    else:
        holder[key] = copy.deepcopy(chance.choice(SCALARS))
    return value


@pytest.mark.parametrize("seed", range(8))
def test_what_is_accepted_is_built_and_used(seed: int) -> None:
    chance = random.Random(seed)
    documents = [json.loads(tokenizer.to_str()) for tokenizer in built()]
    accepted = 0
    for _ in range(400):
        document = copy.deepcopy(chance.choice(documents))
        for _ in range(chance.choice((1, 1, 2, 4))):
            document = mutate(document, chance) if document else document
        text = json.dumps(document, ensure_ascii=False)
        try:
            parsed = parse_tokenizer(text.encode())
        except IntakeRefused:
            continue
        accepted += 1
        if any(note.rule.id == "tokenizer.strip-at-end" for note in parsed.notes):
            continue
        use(text)
    assert accepted > 20


def test_expressions_that_are_accepted_compile() -> None:
    chance = random.Random(1)
    pieces = [
        *"ab0 .^$|()[]{}*+?\\-&,1",
        r"\p{L}",
        r"\s",
        "(?:",
        "(?=",
        "(?i:",
        "(?<=",
        "(?>",
        "(?<n>",
        "[^",
        "{1,3}",
    ]
    pieces += [
        "[:alpha:]",
        "&&",
        r"\x41",
        r"\u00e9",
        "{2}",
        "{,2}",
        r"\b",
        r"\R",
        r"\p{^Han}",
        "(?i)",
        "é",
        "++",
        "*?",
    ]
    accepted = 0
    for _ in range(5_000):
        text = "".join(chance.choice(pieces) for _ in range(chance.randint(1, 9)))
        try:
            find_backtracking(text)
        except IntakeRefused:
            continue
        accepted += 1
        tokenizers.Regex(text)
    assert accepted > 500


def test_a_broken_charsmap_panics_there_and_is_refused_here() -> None:
    document = json.loads(tokenizers.Tokenizer(MODELS[0]).to_str())
    document["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(b"\xff" * 4).decode()}
    with pytest.raises(IntakeRefused):
        parse_tokenizer(json.dumps(document).encode())
