"""Whether a regular expression can backtrack without end.

A matcher that backtracks tries every way to split a text among nested or neighbouring repetitions. Two shapes are
looked for: a repetition whose one round can be split in two (exponential), and three neighbouring endless
repetitions over the same characters (cubic and worse). Published pre-tokenizers have neither.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Final

from ostiary.core.findings import Finding
from ostiary.intake.rules.tokenizer import TOKENIZER_BACKTRACKING_REGEX
from ostiary.intake.tokens.read_regex import Assertion, Characters, Group, Regex, Repeat, parse_regex

_MANY: Final = 10
"""A counted repetition of so many rounds is as good as endless."""
_NEIGHBOURS: Final = 3


def find_backtracking(text: str) -> tuple[Finding, ...]:
    """A note if `text` can backtrack without end; refuses what is not understood."""
    for node in _walk(parse_regex(text)):
        if isinstance(node, Repeat) and _is_endless(node) and _is_ambiguous_round(node.body):
            return (
                Finding(TOKENIZER_BACKTRACKING_REGEX, "a repetition inside a repetition can be split many ways"),
            )
        if isinstance(node, Group) and any(_has_neighbours(branch) for branch in node.branches):
            return (Finding(TOKENIZER_BACKTRACKING_REGEX, "several endless repetitions follow each other"),)
    return ()


def _walk(node: Regex) -> Iterator[Regex]:
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        match current:
            case Repeat(body=body):
                pending.append(body)
            case Assertion(body=body):
                if body is not None:
                    pending.append(body)
            case Group(branches=branches):
                pending.extend(piece for branch in branches for piece in branch)
            case _:
                pass


def _is_endless(node: Repeat) -> bool:
    return not node.is_possessive and (node.most is None or node.most >= _MANY)


def _is_ambiguous_round(body: Regex) -> bool:
    """Whether the text of one round can also be that of two."""
    match body:
        case Repeat():
            return _is_endless(body) or _is_ambiguous_round(body.body)
        case Group(is_atomic=False, branches=branches):
            return any(_is_ambiguous_sequence(branch) for branch in branches) or _have_overlap(branches)
        case _:
            return False


def _is_ambiguous_sequence(branch: tuple[Regex, ...]) -> bool:
    needed = [piece for piece in branch if not _is_skippable(piece)]
    if not needed:
        return any(_is_ambiguous_round(piece) for piece in branch)
    return len(needed) == 1 and _is_ambiguous_round(needed[0])


def _have_overlap(branches: tuple[tuple[Regex, ...], ...]) -> bool:
    """One branch is a single character that another branch can start with."""
    if len(branches) > _MANY**2:
        return False
    starts = [_first_of(branch) for branch in branches]
    singles = [len(branch) == 1 and isinstance(branch[0], Characters) for branch in branches]
    return any(
        (singles[one] or singles[other]) and bool(starts[one] & starts[other])
        for one, other in combinations(range(len(branches)), 2)
    )


def _has_neighbours(branch: tuple[Regex, ...]) -> bool:
    """Three endless repetitions over common characters, with nothing needed between them."""
    shared: frozenset[str] = frozenset()
    count = 0
    for piece in branch:
        repeated = _repeated_characters(piece)
        if repeated is not None:
            common = shared & repeated
            shared, count = (common, count + 1) if count and common else (repeated, 1)
            if count >= _NEIGHBOURS:
                return True
        elif not _is_skippable(piece):
            count = 0
    return False


def _repeated_characters(piece: Regex) -> frozenset[str] | None:
    while isinstance(piece, Group) and not piece.is_atomic and len(piece.branches) == 1 == len(piece.branches[0]):
        piece = piece.branches[0][0]
    if isinstance(piece, Repeat) and _is_endless(piece):
        return _first_of((piece.body,))
    return None


def _is_skippable(piece: Regex) -> bool:
    match piece:
        case Assertion():
            return True
        case Repeat(least=least, body=body):
            return least == 0 or _is_skippable(body)
        case Group(branches=branches):
            return any(all(_is_skippable(inner) for inner in branch) for branch in branches)
        case _:
            return False


def _first_of(branch: tuple[Regex, ...]) -> frozenset[str]:
    """What characters a sequence can start with."""
    first: frozenset[str] = frozenset()
    for piece in branch:
        match piece:
            case Characters(sample=sample):
                first |= sample
            case Repeat(body=body):
                first |= _first_of((body,))
            case Group(branches=branches):
                for inner in branches:
                    first |= _first_of(inner)
            case _:
                pass
        if not _is_skippable(piece):
            break
    return first


def can_match_nothing(text: str) -> bool:
    """Whether an expression also matches the empty text, so that it matches between any two characters."""
    return _is_skippable(parse_regex(text))
