"""Regular expressions of pre-tokenizers, in the part of Oniguruma's syntax that published tokenizers use.

What is not known here (back references, recursion, conditionals, callouts) is refused: it cannot be bounded.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from typing import Final, TypeAlias

from ostiary.core.findings import refuse
from ostiary.core.limits import MAX_REGEX_CHARACTERS, MAX_REGEX_DEPTH, MAX_REGEX_REPEATS
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused
from ostiary.intake.rules.tokenizer import TOKENIZER_BROKEN_REGEX, TOKENIZER_TOO_LARGE

SAMPLE: Final = frozenset(map(chr, range(128))) | frozenset(
    "\u00a0\u00e9\u00df\u0130\u03b1\u0436\u05d0\u0661\u0e01\u3042\u4e00\uac00\u2014\u20ac"
)
"""Characters that stand for all: two sets overlap if they share one of these."""


@dataclass(frozen=True, slots=True)
class Characters:
    """Matches one character."""

    sample: frozenset[str]


@dataclass(frozen=True, slots=True)
class Assertion:
    """Matches a place, not text."""

    body: Regex | None = None


@dataclass(frozen=True, slots=True)
class Repeat:
    """`most` None: without end. A possessive one never gives back."""

    body: Regex
    least: int
    most: int | None
    is_possessive: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Matches one of its branches, each a sequence. An atomic one never gives back."""

    branches: tuple[tuple[Regex, ...], ...]
    is_atomic: bool = False


Regex: TypeAlias = Characters | Assertion | Repeat | Group


def parse_regex(text: str) -> Group:
    """The tree of an expression, or a refusal."""
    if len(text) > MAX_REGEX_CHARACTERS:
        raise refuse(TOKENIZER_TOO_LARGE, f"a regular expression of {len(text)} characters")
    reader = _Reader(text)
    tree = reader.read_branches(depth=0)
    if reader.place != len(text):
        raise reader.refuse("a ')' without its '('")
    return tree


def _sample_of(matches: Callable[[str], object]) -> frozenset[str]:
    return frozenset(character for character in SAMPLE if matches(character))


_WORD: Final = _sample_of(lambda c: c.isalnum() or c == "_")
_SPACE: Final = _sample_of(str.isspace)
_DIGIT: Final = _sample_of(str.isdecimal)
_HEX: Final = frozenset(string.hexdigits)
_NEWLINE: Final = frozenset("\n\v\f\r")
_LOWER: Final = _sample_of(str.islower)
_UPPER: Final = _sample_of(str.isupper)
_PUNCTUATION: Final = frozenset(string.punctuation) | {"\u2014"}

_CLASS_ESCAPES: Final = {"d": _DIGIT, "w": _WORD, "s": _SPACE, "h": _HEX}
_CHARACTER_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b"}
_PLACE_ESCAPES: Final = frozenset("bBAzZG")
_POSIX: Final = {
    "alpha": _sample_of(str.isalpha),
    "digit": _DIGIT,
    "alnum": _sample_of(str.isalnum),
    "upper": _UPPER,
    "lower": _LOWER,
    "space": _SPACE,
    "blank": frozenset(" \t"),
    "punct": _PUNCTUATION,
    "cntrl": _sample_of(lambda c: ord(c) < 32 or ord(c) == 127),
    "graph": _sample_of(lambda c: c.isprintable() and not c.isspace()),
    "print": _sample_of(str.isprintable),
    "xdigit": _HEX,
    "word": _WORD,
}
_PROPERTIES: Final = {
    **_POSIX,
    **dict.fromkeys(("l", "letter"), _sample_of(str.isalpha)),
    **dict.fromkeys(("lm", "lo"), _sample_of(lambda c: c.isalpha() and not c.islower() and not c.isupper())),
    "lu": _UPPER,
    "ll": _LOWER,
    **dict.fromkeys(("lt", "m", "mn", "mc", "me", "cf", "co", "cs", "cn", "nl", "no"), frozenset[str]()),
    **dict.fromkeys(("n", "nd", "number"), _DIGIT),
    **dict.fromkeys(
        ("p", "pc", "pd", "ps", "pe", "pi", "pf", "po", "punctuation", "s", "sm", "sc", "sk", "so", "symbol"),
        _PUNCTUATION | {"\u20ac"},
    ),
    **dict.fromkeys(("z", "zs", "zl", "zp"), _SPACE),
    **dict.fromkeys(("c", "cc"), _POSIX["cntrl"]),
    "latin": frozenset(string.ascii_letters) | {"\u00e9", "\u00df", "\u0130"},
    "greek": frozenset("\u03b1"),
    "cyrillic": frozenset("\u0436"),
    "hebrew": frozenset("\u05d0"),
    "arabic": frozenset[str](),
    "thai": frozenset("\u0e01"),
    "hiragana": frozenset("\u3042"),
    "katakana": frozenset[str](),
    "han": frozenset("\u4e00"),
    "hangul": frozenset("\uac00"),
    **dict.fromkeys(
        "armenian bengali devanagari ethiopic georgian gujarati gurmukhi kannada khmer lao malayalam mongolian"
        " myanmar oriya sinhala tamil telugu tibetan bopomofo common inherited".split(),
        frozenset[str](),
    ),
}

_INTERVAL: Final = re.compile(r"\{(?:(\d{1,9})(,(\d{0,9}))?|,(\d{1,9}))\}")
_PROPERTY: Final = re.compile(r"\{(\^?)([A-Za-z_ ]{1,32})\}")
_HEX_ESCAPE: Final = re.compile(r"x\{([0-9A-Fa-f]{1,6})\}|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})")
_POSIX_BRACKET: Final = re.compile(r"\[:(\^?)([a-z]{1,8}):\]")
_OPENERS: Final = re.compile(
    r"\?(?:(:)|(=|!)|(<=|<!)|(>)|<([A-Za-z_]\w{0,31})>|([imx]{1,3}(?:-[imx]{1,3})?|-[imx]{1,3})(:|\)))"
)
_MAX_CODE_POINT: Final = 0x10FFFF
_MAX_STACKED_QUANTIFIERS: Final = 3


class _Reader:
    """A cursor over one expression. Recurses into groups and classes only, with a bound.

    `copies`: how often the piece read last would be copied where counted repetitions are expanded.
    """

    __slots__ = ("copies", "place", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.copies = 1

    def refuse(self, what: str) -> IntakeRefused:
        return refuse(TOKENIZER_BROKEN_REGEX, f"{what} at character {self.place} of a regular expression")

    def peek(self) -> str:
        return self.text[self.place : self.place + 1]

    def take(self) -> str:
        character = self.peek()
        if not character:
            raise self.refuse("an unexpected end")
        self.place += 1
        return character

    def read_branches(self, depth: int) -> Group:
        if depth > MAX_REGEX_DEPTH:
            raise refuse(TOKENIZER_TOO_LARGE, "groups of a regular expression nested too deep")
        branches: list[tuple[Regex, ...]] = []
        pieces: list[Regex] = []
        most_copies = 1
        while (character := self.peek()) and character != ")":
            if character == "|":
                self.place += 1
                branches.append(tuple(pieces))
                pieces = []
            else:
                self.copies = 1
                piece = self.read_piece(depth)
                if piece is not None:
                    pieces.append(self.read_quantifiers(piece))
                most_copies = max(most_copies, self.copies)
        self.copies = most_copies
        return Group((*branches, tuple(pieces)))

    def read_piece(self, depth: int) -> Regex | None:
        character = self.take()
        if character == "(":
            return self.read_group(depth)
        if character == "[":
            return Characters(self.read_class(depth))
        if character == "\\":
            return self.read_escape()
        if character == ".":
            return Characters(SAMPLE - {"\n"})
        if character in "^$":
            return Assertion()
        if character in "*+?" or _INTERVAL.match(self.text, self.place - 1):
            raise self.refuse("a repetition of nothing")
        return Characters(frozenset(character))

    def read_group(self, depth: int) -> Regex | None:
        opener = _OPENERS.match(self.text, self.place)
        if opener is None:
            if self.peek() in ("?", "*"):
                raise self.refuse("an unknown kind of group")
            return self.close_group(self.read_branches(depth + 1))
        self.place = opener.end()
        if opener[7] == ")":
            return None
        body = self.close_group(self.read_branches(depth + 1))
        if opener[2]:
            return Assertion(body)
        if opener[3]:
            if not all(isinstance(piece, Characters) for branch in body.branches for piece in branch):
                raise self.refuse("a look-behind of more than plain characters")
            return Assertion(body)
        return Group(body.branches, is_atomic=True) if opener[4] else body

    def close_group(self, body: Group) -> Group:
        if self.peek() != ")":
            raise self.refuse("a '(' without its ')'")
        self.place += 1
        return body

    def read_quantifiers(self, piece: Regex) -> Regex:
        for _ in range(_MAX_STACKED_QUANTIFIERS):
            bounds = self.read_bounds()
            if bounds is None:
                return piece
            least, most, is_interval = bounds
            if isinstance(piece, Assertion):
                raise self.refuse("a repetition of a place")
            if most is not None and least > most:
                raise self.refuse("a repetition with its bounds swapped")
            self.copies *= max(least, most or 1, 1)
            if self.copies > MAX_REGEX_REPEATS:
                raise refuse(TOKENIZER_TOO_LARGE, f"a regular expression repeated {self.copies} times")
            is_possessive = False
            if self.peek() == "?":
                self.place += 1
            elif self.peek() == "+" and not is_interval:
                self.place += 1
                is_possessive = True
            piece = Repeat(piece, least, most, is_possessive)
        raise self.refuse("repetitions of repetitions")

    def read_bounds(self) -> tuple[int, int | None, bool] | None:
        simple: dict[str, tuple[int, int | None]] = {"*": (0, None), "+": (1, None), "?": (0, 1)}
        if (character := self.peek()) in simple:
            self.place += 1
            return (*simple[character], False)
        interval = _INTERVAL.match(self.text, self.place)
        if interval is None:
            return None
        self.place = interval.end()
        if interval[4]:
            return 0, int(interval[4]), True
        least = int(interval[1])
        if interval[2] is None:
            return least, least, True
        return least, int(interval[3]) if interval[3] else None, True

    def read_escape(self) -> Regex:
        if self.peek() in _PLACE_ESCAPES and self.peek():
            self.place += 1
            return Assertion()
        return Characters(self.read_escaped_set())

    def read_escaped_set(self) -> frozenset[str]:
        coded = _HEX_ESCAPE.match(self.text, self.place)
        if coded is not None:
            self.place = coded.end()
            code = int(coded[1] or coded[2] or coded[3], 16)
            if code > _MAX_CODE_POINT or 0xD800 <= code <= 0xDFFF or (coded[2] and code > 0x7F):
                raise self.refuse("an escape that is no character")
            return frozenset(chr(code))
        character = self.take()
        if character in "pP":
            return self.read_property(is_negated=character == "P")
        if character.lower() in _CLASS_ESCAPES:
            known = _CLASS_ESCAPES[character.lower()]
            return known if character.islower() else SAMPLE - known
        if character in _CHARACTER_ESCAPES:
            return frozenset(_CHARACTER_ESCAPES[character])
        if character == "R":
            return _NEWLINE
        if character.isalnum() or not character.isprintable():
            raise self.refuse("an unknown escape")
        return frozenset(character)

    def read_property(self, *, is_negated: bool) -> frozenset[str]:
        named = _PROPERTY.match(self.text, self.place)
        known = named and _PROPERTIES.get(named[2].replace("_", "").replace(" ", "").lower())
        if named is None or known is None:
            raise self.refuse("an unknown character property")
        self.place = named.end()
        return SAMPLE - known if is_negated != bool(named[1]) else known

    def read_class(self, depth: int) -> frozenset[str]:
        """A character class, the opening bracket already taken."""
        if depth > MAX_REGEX_DEPTH:
            raise refuse(TOKENIZER_TOO_LARGE, "classes of a regular expression nested too deep")
        is_negated = self.peek() == "^"
        self.place += is_negated
        if self.peek() == "]":
            raise self.refuse("an empty character class")
        parts: list[frozenset[str]] = []
        members: set[str] = set()
        while (character := self.take()) != "]":
            if character == "&" and self.peek() == "&":
                self.place += 1
                parts.append(frozenset(members))
                members = set()
            elif character == "[":
                members |= self.read_inner_class(depth)
            else:
                members |= self.read_class_member(character)
        for part in parts:
            members &= part
        return SAMPLE - members if is_negated else frozenset(members)

    def read_inner_class(self, depth: int) -> frozenset[str]:
        posix = _POSIX_BRACKET.match(self.text, self.place - 1)
        if posix is None:
            return self.read_class(depth + 1)
        if posix[2] not in _POSIX:
            raise self.refuse("an unknown character class")
        self.place = posix.end()
        return SAMPLE - _POSIX[posix[2]] if posix[1] else _POSIX[posix[2]]

    def read_class_member(self, character: str) -> frozenset[str]:
        low = self.read_escaped_set() if character == "\\" else frozenset(character)
        if self.peek() != "-" or self.text[self.place + 1 : self.place + 2] in ("]", ""):
            return low
        if len(low) != 1:
            raise self.refuse("a range that starts with a set")
        self.place += 1
        character = self.take()
        high = self.read_escaped_set() if character == "\\" else frozenset(character)
        if character == "[" or len(high) != 1:
            raise self.refuse("a range that ends with a set")
        first, last = next(iter(low)), next(iter(high))
        if first > last:
            raise self.refuse("a range with its ends swapped")
        return _sample_of(lambda c: first <= c <= last) | {first, last}
