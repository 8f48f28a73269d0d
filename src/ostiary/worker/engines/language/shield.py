"""Which characters of a rendered chat the template wrote: only those can be control tokens.

Before rendering, every character of the messages that a control token could begin or end with is exchanged for a
stand-in from a private range. The template sees text of the same length that equals itself wherever it is compared
with itself; what spells a control token afterwards was written by the template. Then stand-ins become characters
again, for the tokenizer, which by now reads control tokens from marks only (`control_tokens`).

What a template makes of a name between its own brackets (`'<' + name + '>'`) is its own as well, so short texts
that would complete such a token are exchanged too. Roles are not: the caller has checked that they are known ones.
Markers that are not special (`</think>`, `<tool_call>`, and other tags that the template itself writes) stay what
they are in the assistant's own messages: templates look for them there, and they say only what an assistant's
message may say anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.worker.engines.language.control_tokens import FIRST_MARK, FIRST_RESERVED, ControlTokens

_PLAIN: Final = re.compile(r"[^\w\s]")
_TAG: Final = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")
_LAST_LETTER: Final = 0x1F000
"""Scripts with letters of two cases end before."""
_MAX_STAND_INS: Final = FIRST_MARK - FIRST_RESERVED


class Shield:
    """For the templates of one model. `literals`: the texts that they write by themselves, each by itself."""

    def __init__(self, controls: ControlTokens, literals: Sequence[str]) -> None:
        self._controls: Final = controls
        self._stand_ins: Final[dict[str, str]] = {}
        self._to_character: Final[dict[int, str]] = {}
        ends = {character for control in controls.all for character in (control.content[0], control.content[-1])}
        self._brackets: Final = {ord(end): self._stand_in(end) for end in sorted(ends) if _PLAIN.fullmatch(end)}
        words = [content for content in controls.by_content if not _has_bracket(content)]
        self._letters: Final = {ord(letter): self._stand_in(letter) for letter in _find_letters(tuple(words))}
        self._words: Final = _any_of(words, re.IGNORECASE)
        special = frozenset(control.content for control in controls.all if control.is_special)
        visible = {control.content for control in controls.all} | {
            tag for text in literals for tag in _TAG.findall(text)
        }
        self._visible: Final = _any_of(visible - special)
        self._completions: Final = _find_completions(controls, literals)

    def cover_shown(self, value: JsonValue, *, is_assistant: bool = False) -> JsonValue:
        """As `cover`, for what templates show and do not compare: nothing of a control token may be in it."""
        return self.cover(value, is_assistant=is_assistant, is_shown=True)

    def cover(self, value: JsonValue, *, is_assistant: bool = False, is_shown: bool = False) -> JsonValue:
        """The same value with the texts in it made safe, names of members included."""
        if isinstance(value, str):
            covered = self._cover_text(value, is_assistant=is_assistant)
            return covered.translate(self._letters) if is_shown and self._letters else covered
        if isinstance(value, list):
            return [self.cover(item, is_assistant=is_assistant, is_shown=is_shown) for item in value]
        if isinstance(value, dict):
            return {
                self._cover_text(name, is_assistant=False): self.cover(
                    item, is_assistant=is_assistant, is_shown=is_shown
                )
                for name, item in value.items()
            }
        return value

    def is_covered(self, word: str) -> bool:
        """Whether a text that was covered cannot spell it, unless the assistant says it."""
        return ord(word[0]) in self._brackets

    def read(self, rendered: str) -> str:
        """A rendered chat as the tokenizer takes it: the template's control tokens as marks, all else as text."""
        return self._controls.write_marks(rendered).translate(self._to_character)

    def uncover(self, text: str) -> str:
        """Text as it was, for a person to read."""
        return text.translate(self._to_character)

    def _cover_text(self, text: str, *, is_assistant: bool) -> str:
        if text in self._completions:
            return self._stand_in(text[0]) + text[1:]
        if not is_assistant or self._visible is None:
            return self._break_words(text.translate(self._brackets))
        pieces = self._visible.split(text)  # text, marker, text, marker, ...
        covered = (piece if place % 2 else piece.translate(self._brackets) for place, piece in enumerate(pieces))
        return self._break_words("".join(covered), keeps_markers=True)

    def _break_words(self, text: str, *, keeps_markers: bool = False) -> str:
        """Control tokens of letters alone have no bracket that could be exchanged."""
        for place, control in self._controls.find(text):
            if control.is_special or not keeps_markers:
                text = text[:place] + self._stand_in(control.content[0]) + text[place + 1 :]
        if self._words is None or keeps_markers:
            return text
        return self._words.sub(lambda found: self._stand_in(found[0][0]) + found[0][1:], text)  # in any case

    def _stand_in(self, character: str) -> str:
        """Always the same for the same character."""
        if character not in self._stand_ins:
            if len(self._stand_ins) == _MAX_STAND_INS:
                raise ValueError("control tokens begin with more kinds of characters than there are stand-ins")
            self._stand_ins[character] = stand_in = chr(FIRST_RESERVED + len(self._stand_ins))
            self._to_character[ord(stand_in)] = character
        return self._stand_ins[character]


def _has_bracket(content: str) -> bool:
    return any(_PLAIN.fullmatch(end) for end in (content[0], content[-1]))


@cache
def _find_letters(words: tuple[str, ...]) -> list[str]:
    """What control tokens of letters alone begin and end with, and what becomes that in another case."""
    ends = {end for word in words for end in (word[0], word[-1]) if not end.isspace()}
    ends |= {form for end in ends for form in (end.lower(), end.upper())}
    if not ends:
        return []
    letters = map(chr, range(0x21, _LAST_LETTER))
    return [
        letter
        for letter in letters
        if not ends.isdisjoint({letter, *letter.upper(), *letter.lower(), *letter.title()})
    ]


def _any_of(words: Iterable[str], flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str] | None:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(f"({'|'.join(map(re.escape, longest_first))})", flags) if longest_first else None


def _find_completions(controls: ControlTokens, literals: Sequence[str]) -> frozenset[str]:
    """Texts that make a control token where a template writes them between two of its own."""
    found: set[str] = set()
    for content in controls.by_content:
        befores = [size for size in range(1, len(content) - 1) if _ends_so(literals, content[:size])]
        behinds = [size for size in range(2, len(content)) if _begins_so(literals, content[size:])]
        found |= {content[start:end] for start in befores for end in behinds if start < end}
    return frozenset(found)


def _ends_so(literals: Sequence[str], text: str) -> bool:
    return any(literal.endswith(text) for literal in literals)


def _begins_so(literals: Sequence[str], text: str) -> bool:
    return any(literal.startswith(text) for literal in literals)
