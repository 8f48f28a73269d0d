"""Control tokens: the words that steer a model, kept apart from text that only spells them.

A tokenizer turns `<|im_end|>` into the control token wherever it stands, also in what a user wrote. Here each
control token is renamed, in the tokenizer, to one character of a private range (a mark). A text without marks then
cannot give a control token, however it is spelled; what may give one is written with marks: by templates
(`shield`), or by a caller who asked for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.core.values import dataclass

FIRST_RESERVED: Final = 0x10C000
LAST_RESERVED: Final = 0x10FFFD
"""The end of the last private plane: marks, and the stand-ins of `shield`. Texts may not bring these along."""
FIRST_MARK: Final = 0x10E000
MAX_MARKS: Final = LAST_RESERVED - FIRST_MARK + 1
_RESERVED: Final = re.compile(f"[{chr(FIRST_RESERVED)}-{chr(0x10FFFF)}]")
_MARK: Final = re.compile(f"[{chr(FIRST_MARK)}-{chr(0x10FFFF)}]")
_LOOKS_LIKE_CONTROL: Final = re.compile(r"<[|\uff5c].*[|\uff5c]>|<\|?/?[a-z_]+\|>|\[/?[A-Z_]+\]", re.S)
"""How control tokens are spelled by those who do not say that they are special."""
_IN_BRACKETS: Final = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")


@dataclass(frozen=True, slots=True)
class Control:
    """One control token."""

    id: int
    content: str
    is_special: bool
    """Whether the tokenizer itself calls it so. The others are markers of thoughts, tools and the like."""
    mark: str


_AS_IT_STANDS: Final[Mapping[str, JsonValue]] = {
    "single_word": False,
    "lstrip": False,
    "rstrip": False,
    "normalized": False,
    "special": True,
}
"""A mark is found wherever it is, before anything else is done with the text."""


class ControlTokens:
    """Those of one tokenizer, found by what they are called, what they look like and what templates write."""

    def __init__(self, controls: Sequence[Control], unknown_id: int | None = None) -> None:
        self.all: Final = tuple(controls)
        silent = {control.id for control in controls if control.is_special}
        self.silent_ids: Final = frozenset(silent if unknown_id is None else silent | {unknown_id})
        """What a reader is not shown: special ones, and the token for what has none, which is no control token."""
        self.by_content: Final[Mapping[str, Control]] = {control.content: control for control in controls}
        self.ids: Final = frozenset(control.id for control in controls)
        self._contents: Final = {ord(control.mark): control.content for control in controls}
        self._finder: Final = _Finder(self.by_content)

    def write_marks(self, text: str) -> str:
        """Every spelled control token becomes its mark."""
        return self._finder.replace(text, lambda content: self.by_content[content].mark)

    def spell(self, text: str) -> str:
        """The other way round: marks become what they stand for."""
        return text.translate(self._contents)

    def find(self, text: str) -> list[tuple[int, Control]]:
        """Where control tokens are spelled."""
        return [(place, self.by_content[content]) for place, content in self._finder.find(text)]


def holds_reserved(text: str) -> bool:
    """Whether a text has characters that stand for something else here."""
    return _RESERVED.search(text) is not None


def holds_mark(text: str) -> bool:
    """Whether a text has a character that is, or could be, a control token for the tokenizer."""
    return _MARK.search(text) is not None


def find_controls(
    tokenizer: Mapping[str, JsonValue], named: Iterable[str], template_text: str, eos_ids: Iterable[int]
) -> ControlTokens:
    """`named`: tokens that the settings call special; `template_text`: what the templates write by themselves."""
    names, ends = frozenset(named), frozenset(eos_ids)
    unknown, unknown_id = _find_unknown(tokenizer.get("model")), None
    controls: list[Control] = []
    added = tokenizer.get("added_tokens")
    for token in added if isinstance(added, list) else []:
        if not isinstance(token, dict):
            continue
        content, number = token.get("content"), token.get("id")
        if not isinstance(content, str) or not isinstance(number, int) or not content.strip():
            continue
        if content == unknown:
            unknown_id = number
            continue
        is_special = token.get("special") is True or content in names or number in ends
        if is_special or content in template_text or _LOOKS_LIKE_CONTROL.fullmatch(content):
            if len(controls) == MAX_MARKS:
                break
            controls.append(Control(number, content, is_special, chr(FIRST_MARK + len(controls))))
    known = {control.id for control in controls} | {unknown_id}
    for content, number in _find_unlisted(tokenizer.get("model"), names, ends):
        if content != unknown and number not in known and len(controls) < MAX_MARKS:
            controls.append(Control(number, content, True, chr(FIRST_MARK + len(controls))))
    return ControlTokens(controls, unknown_id)


def _find_unlisted(model: JsonValue, names: frozenset[str], ends: frozenset[int]) -> Iterator[tuple[str, int]]:
    """Words of the vocabulary itself that are control tokens by their name or their id, and look like none of text.

    A full stop may well end answers; it stays what people write.
    """
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if isinstance(vocabulary, dict):
        numbered: Iterable[tuple[JsonValue, JsonValue]] = vocabulary.items()
    else:
        entries = vocabulary if isinstance(vocabulary, list) else []
        numbered = ((entry[0], place) for place, entry in enumerate(entries) if isinstance(entry, list) and entry)
    for word, number in numbered:
        if not isinstance(word, str) or not isinstance(number, int):
            continue
        if (word in names or number in ends) and _IN_BRACKETS.fullmatch(word):
            yield word, number


def _find_unknown(model: JsonValue) -> str | None:
    """The token for text that has none: text may give it."""
    match model:
        case {"unk_token": str(word)}:
            return word
        case {"unk_id": int(number), "vocab": [*words]} if 0 <= number < len(words):
            entry = words[number]
            return entry[0] if isinstance(entry, list) and entry and isinstance(entry[0], str) else None
        case _:
            return None


def rename_controls(tokenizer: dict[str, JsonValue], controls: ControlTokens) -> None:
    """Puts marks in the place of control tokens, in place. Ids stay: the loader counts tokens in their order."""
    claimed = tokenizer.get("added_tokens")
    added = claimed if isinstance(claimed, list) else []
    for token in added:
        if isinstance(token, dict) and token.get("content") in controls.by_content:
            token["content"] = controls.by_content[str(token["content"])].mark
    listed = {token.get("content") for token in added if isinstance(token, dict)}
    for control in controls.all:
        if control.mark not in listed:
            added.append({"id": control.id, "content": control.mark, **_AS_IT_STANDS})
    tokenizer["added_tokens"] = added
    model = tokenizer.get("model")
    if not isinstance(model, dict):
        return
    renamed = _rename_in_vocabulary(model.get("vocab"), controls)
    merges = model.get("merges")
    if renamed and isinstance(merges, list):
        model["merges"] = _drop_merges(merges, renamed)


def _rename_in_vocabulary(vocabulary: JsonValue, controls: ControlTokens) -> frozenset[str]:
    """The contents that stood in the vocabulary itself, where text could reach them."""
    if isinstance(vocabulary, dict):
        found = frozenset(content for content in controls.by_content if content in vocabulary)
        for content in found:
            vocabulary[controls.by_content[content].mark] = vocabulary.pop(content)
        return found
    renamed: set[str] = set()
    for entry in vocabulary if isinstance(vocabulary, list) else []:
        if isinstance(entry, list) and entry and isinstance(entry[0], str) and entry[0] in controls.by_content:
            renamed.add(entry[0])
            entry[0] = controls.by_content[entry[0]].mark
    return frozenset(renamed)


def _drop_merges(merges: list[JsonValue], contents: frozenset[str]) -> list[JsonValue]:
    """Those that make or use one of these are left out: text could make it so, piece by piece."""
    kept: list[JsonValue] = []
    for merge in merges:  # there are some hundred thousand
        first, second = merge.partition(" ")[::2] if isinstance(merge, str) else _read_pair(merge)
        if first not in contents and second not in contents and first + second not in contents:
            kept.append(merge)
    return kept


def _read_pair(merge: JsonValue) -> tuple[str, str]:
    match merge:
        case [str(first), str(second)]:
            return first, second
        case _:
            return "", ""  # the loader will say what it thinks of it


class _Finder:
    """Finds words in a text, the longest at each place. Looks closer only where one could begin."""

    def __init__(self, words: Iterable[str]) -> None:
        self._by_first: Final[dict[str, list[str]]] = {}
        for word in sorted(words, key=len, reverse=True):
            self._by_first.setdefault(word[0], []).append(word)
        firsts = "".join(map(re.escape, self._by_first))
        self._first: Final = re.compile(f"[{firsts}]") if firsts else None

    def find(self, text: str) -> Iterator[tuple[int, str]]:
        place = 0
        while self._first is not None and (match := self._first.search(text, place)):
            start = match.start()
            word = next((word for word in self._by_first[text[start]] if text.startswith(word, start)), None)
            if word is None:
                place = start + 1
            else:
                yield start, word
                place = start + len(word)

    def replace(self, text: str, change: Callable[[str], str]) -> str:
        pieces: list[str] = []
        done = 0
        for place, word in self.find(text):
            pieces += (text[done:place], change(word))
            done = place + len(word)
        return "".join((*pieces, text[done:])) if done else text
