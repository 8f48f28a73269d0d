"""Text to token ids and back, for one model. The work is done by the `tokenizers` library, from a string."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tokenizers import Tokenizer

from ostiary.core.frames import ErrorName
from ostiary.core.json_text import JsonValue
from ostiary.core.values import dataclass
from ostiary.networks.configuration import read_object
from ostiary.worker.engines.contract import ModelUnfit
from ostiary.worker.engines.language.control_tokens import ControlTokens, find_controls, rename_controls
from ostiary.worker.engines.language.detokenize import ByteDetokenizer, Detokenizer, WindowDetokenizer
from ostiary.worker.engines.language.sentencepiece import (
    SentencepieceMalformed,
    convert_sentencepiece,
    frame_prompts,
)
from ostiary.worker.engines.language.token_bytes import bytes_of, read_decoder

NAMED: Final = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_LISTS: Final = ("additional_special_tokens", "extra_special_tokens", "chat_control_tokens")
_PIECES: Final = "tokenizer.model"
_FRAMING_CLASSES: Final = ("Llama", "CodeLlama", "Gemma")
"""Their tokenizers begin a prompt with a token of its own where no setting says otherwise."""
_PROBES: Final = ("a", "0", "the", " ")


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """What tokenizer_config.json and special_tokens_map.json say: the words of the named tokens, and others."""

    named: Mapping[str, str]
    """Such as `eos_token` to `</s>`; templates see these."""
    others: tuple[str, ...]
    """More special tokens, without a name that all models share."""


def read_token_settings(contents: Mapping[str, bytes]) -> TokenSettings:
    values = read_object(contents, "tokenizer_config.json") or {}
    if "added_tokens_decoder" not in values:
        values |= read_object(contents, "special_tokens_map.json") or {}
    named = {name: word for name in NAMED if (word := _word_of(values.get(name))) is not None}
    found = [item for name in _LISTS for item in _items_of(values.get(name))]
    found += [value for name, value in values.items() if name.endswith("_token") and name not in NAMED]
    return TokenSettings(named, tuple(word for item in found if (word := _word_of(item)) is not None))


def _items_of(value: JsonValue) -> list[JsonValue]:
    """Some settings list tokens, some give them names."""
    if isinstance(value, dict):
        return [*value.values()]
    return value if isinstance(value, list) else []


def _word_of(value: JsonValue) -> str | None:
    """A token as a string, or as an object with its content."""
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) and value else None


class TextTokenizer:
    """Made once for a model. `controls` says which tokens text cannot give."""

    def __init__(
        self, tokenizer: dict[str, JsonValue], settings: TokenSettings, template_text: str, eos_ids: frozenset[int]
    ) -> None:
        """Changes `tokenizer`, a tokenizer.json. Raises ModelUnfit."""
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # read at each batch; the wall empties the environment
        named = (*settings.named.values(), *settings.others)
        self.settings: Final = settings
        self.controls: Final[ControlTokens] = find_controls(tokenizer, named, template_text, eos_ids)
        rename_controls(tokenizer, self.controls)
        tokenizer |= {"truncation": None, "padding": None}  # who cuts or fills a prompt in silence changes it
        try:
            self._tokenizer: Any = Tokenizer.from_str(json.dumps(tokenizer, ensure_ascii=False))
        except BaseException as error:  # it panics with what is no Exception
            raise ModelUnfit(ErrorName.LOAD_FAILED, "the tokenizer could not be built") from error
        self._tokenizer.encode_special_tokens = False
        for control in self.controls.all:
            if self._tokenizer.token_to_id(control.mark) != control.id:
                raise ModelUnfit(
                    ErrorName.LOAD_FAILED, "the tokenizer gives its added tokens other ids than it says"
                )
        self.size: Final[int] = self._tokenizer.get_vocab_size(with_added_tokens=True)
        self._before, self._behind = self._find_frame()
        self._decoder: Final = read_decoder(tokenizer.get("decoder"))
        self._added: Final = frozenset[int](self._tokenizer.get_added_tokens_decoder())
        self._pieces: Final[dict[int, bytes]] = {}
        """Of the ids that were asked for."""

    def token_id(self, word: str) -> int | None:
        control = self.controls.by_content.get(word)
        number: int | None = control.id if control is not None else self._tokenizer.token_to_id(word)
        return number

    def encode(self, text: str, *, is_framed: bool) -> list[int]:
        """Ids of a text; control tokens only where it has marks. With `is_framed`, as the beginning of a prompt.

        As a batch of one: without places, which nobody asks for, and letting go of the interpreter meanwhile.
        """
        (encoding,) = self._tokenizer.encode_batch_fast([text], add_special_tokens=False)
        ids: list[int] = encoding.ids
        return [*self._before, *ids, *self._behind] if is_framed else ids

    @property
    def frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The ids that the tokenizer puts in front of a prompt and behind it."""
        return self._before, self._behind

    def decode(self, ids: Sequence[int], *, show_special: bool) -> str:
        """The text of these ids alone."""
        detokenizer = self.start_detokenizer(show_special=show_special, drops_first_space=True)
        return "".join((*map(detokenizer.add, ids), detokenizer.finish()))

    def start_detokenizer(
        self, *, show_special: bool, drops_first_space: bool, shown: frozenset[int] = frozenset()
    ) -> Detokenizer:
        """`drops_first_space`: for a text that begins here; some tokenizers write a space before every word.

        `shown`: special tokens that are shown nevertheless.
        """
        silent = frozenset[int]() if show_special else self.controls.silent_ids - shown
        if self._decoder is None:
            return WindowDetokenizer(self._decode_plainly, silent)
        drops = drops_first_space and self._decoder.drops_first_space
        return ByteDetokenizer(self.piece, silent, drops_first_space=drops)

    @property
    def has_plain_pieces(self) -> bool:
        """Whether each token is the same bytes wherever it stands."""
        return self._decoder is not None

    def piece(self, token: int) -> bytes:
        """What a single token stands for, control tokens as they are spelled."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._find_piece(token)
        return piece

    def _find_piece(self, token: int) -> bytes:
        if self._decoder is None:
            return self._decode_plainly([token]).encode("utf-8", "replace")
        word: str | None = self._tokenizer.id_to_token(token)
        if word is None:
            return b""
        if token in self._added:
            return self.controls.spell(word).encode("utf-8", "replace")
        return bytes_of(word, self._decoder)

    def _decode_plainly(self, ids: Sequence[int]) -> str:
        return self.controls.spell(self._tokenizer.decode(list(ids), skip_special_tokens=False))

    def _find_frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What its post-processor adds, seen on a text that gives a token."""
        for probe in _PROBES:
            ids: list[int] = self._tokenizer.encode(probe, add_special_tokens=False).ids
            framed: list[int] = self._tokenizer.encode(probe, add_special_tokens=True).ids
            for place in range(len(framed) - len(ids) + 1):
                if ids and framed[place : place + len(ids)] == ids:
                    return tuple(framed[:place]), tuple(framed[place + len(ids) :])
        return (), ()


def open_tokenizer(contents: Mapping[str, bytes], template_text: str, eos_ids: frozenset[int]) -> TextTokenizer:
    """Raises ModelUnfit where there is none that is understood."""
    settings = read_token_settings(contents)
    tokenizer = read_object(contents, "tokenizer.json")
    if tokenizer is None:
        tokenizer = _read_pieces(contents, settings)
    return TextTokenizer(tokenizer, settings, template_text, eos_ids)


def _read_pieces(contents: Mapping[str, bytes], settings: TokenSettings) -> dict[str, JsonValue]:
    """From a SentencePiece model, which does not say itself what stands around a prompt."""
    data = contents.get(_PIECES)
    if data is None:
        raise ModelUnfit(ErrorName.LOAD_FAILED, f"there is no tokenizer.json and no {_PIECES}")
    try:
        tokenizer = convert_sentencepiece(data)
    except SentencepieceMalformed as error:
        raise ModelUnfit(ErrorName.LOAD_FAILED, f"{_PIECES}: {error}") from error
    values = read_object(contents, "tokenizer_config.json") or {}
    by_default = str(values.get("tokenizer_class", "")).startswith(_FRAMING_CLASSES)
    before = settings.named.get("bos_token") if values.get("add_bos_token", by_default) else None
    behind = settings.named.get("eos_token") if values.get("add_eos_token", False) else None
    return frame_prompts(tokenizer, before, behind)
