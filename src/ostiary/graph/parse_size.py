"""Reads sizes as the format spells them: numbers, or texts such as `4*batch`, `seq+1` and `((h+1)//2)`."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

from ostiary.core.function_limits import MAX_SIZE_CHARACTERS, MAX_SIZE_DEPTH
from ostiary.graph.sizes import Size, SizeError, dim

_WORD: Final = re.compile(r"//|[-+*()]|0|[1-9][0-9]{0,18}|[a-z][a-z0-9_]{0,31}", re.ASCII)
DIM_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)


def parse_size_text(text: str, dims: Collection[str]) -> Size:
    """Raises SizeError for whatever is not the canonical spelling of a size that follows `dims`."""
    if len(text) > MAX_SIZE_CHARACTERS:
        raise SizeError(f"a size is longer than {int(MAX_SIZE_CHARACTERS)} characters")
    words = _WORD.findall(text)
    if "".join(words) != text:
        raise SizeError("a size holds characters that no size has")
    reader = _Reader(words, dims)
    size = reader.read_sum(0)
    if reader.peek():
        raise SizeError("a size goes on where it should end")
    if isinstance(size, int) or size.text != text:
        raise SizeError("a size is not in its canonical spelling")
    return size


class _Reader:
    def __init__(self, words: list[str], dims: Collection[str]) -> None:
        self._words = words
        self._dims = dims
        self._at = 0

    def peek(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def take(self) -> str:
        word = self.peek()
        self._at += 1
        return word

    def _expect(self, word: str) -> None:
        if self.take() != word:
            raise SizeError("a size has brackets that are no quotient")

    def read_sum(self, depth: int) -> Size:
        if depth > MAX_SIZE_DEPTH:
            raise SizeError(f"a size nests more than {int(MAX_SIZE_DEPTH)} quotients")
        is_negative = self.peek() == "-"
        if is_negative:
            self.take()
        total = self._read_product(depth)
        if is_negative:
            total = -total
        while self.peek() in {"+", "-"}:
            sign = self.take()
            term = self._read_product(depth)
            total = total + term if sign == "+" else total - term
        return total

    def _read_product(self, depth: int) -> Size:
        product = self._read_factor(depth)
        while self.peek() == "*":
            self.take()
            product = product * self._read_factor(depth)
        return product

    def _read_factor(self, depth: int) -> Size:
        word = self.take()
        if word == "(":
            self._expect("(")
            inside = self.read_sum(depth + 1)
            self._expect(")")
            self._expect("//")
            by = self.take()
            self._expect(")")
            if not by.isdigit() or int(by) == 0:
                raise SizeError("a size is divided by what is no number above 0")
            return inside // int(by)
        if word.isdigit():
            return int(word)
        if word not in self._dims:
            if DIM_NAME.fullmatch(word):
                raise SizeError(f"a size follows '{word}', which is no dim of the graph")
            raise SizeError("a size misses a number or a dim")
        return dim(word)
