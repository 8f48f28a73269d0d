"""Sizes: whole numbers, or polynomials over dims and over quotients of those, in one canonical form.

Two sizes that are the same polynomial are equal here. `((2*h+2)//2)` becomes `h+1` and `((((h+1)//2)+1)//2)`
becomes `((h+3)//4)`, so the quotients that layers with strides make meet in one spelling. Sizes that are equal
for another reason stay different: whoever asks is told no, never a wrong yes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from ostiary.core.function_limits import MAX_SIZE_CHARACTERS, MAX_SIZE_DEGREE, MAX_SIZE_DEPTH, MAX_SIZE_TERMS

_MAX_COEFFICIENT: Final = (1 << 63) - 1
_REMEMBERED: Final = 4_096  # results: the nodes of a graph ask for the same few again and again


class SizeError(Exception):
    """A size that the format cannot hold: one clause. Never leaves the package."""


class Quotient:
    """The greatest whole number that is no more than `inside` / `by`."""

    __slots__ = ("by", "depth", "inside", "text")

    def __init__(self, inside: Expression, by: int) -> None:
        self.inside = inside
        self.by = by
        self.depth: int = inside.depth + 1
        self.text = f"(({inside.text})//{by})"

    def __repr__(self) -> str:
        return self.text


Factor: TypeAlias = "str | Quotient"
_Monomial: TypeAlias = tuple[str, ...]
"""Texts of factors, in order; () for the constant."""


class Expression:
    """A size that is no plain number. Made by arithmetic on `dim` and numbers; equal where the text is."""

    __slots__ = ("_factors", "_terms", "depth", "dims", "is_dim", "text")

    def __init__(self, terms: Mapping[_Monomial, int], factors: Mapping[str, Factor]) -> None:
        """`terms` has no zeros, and something beside the constant."""
        if len(terms) > MAX_SIZE_TERMS:
            raise SizeError(f"a size has more than {int(MAX_SIZE_TERMS)} terms")
        ordered = sorted(terms, key=lambda monomial: (-len(monomial), monomial))
        if len(ordered[0]) > MAX_SIZE_DEGREE:
            raise SizeError(f"a size multiplies more than {int(MAX_SIZE_DEGREE)} dims")
        self._terms = {monomial: terms[monomial] for monomial in ordered}
        self._factors = {name: factors[name] for monomial in ordered for name in monomial}
        self.depth: int = max(f.depth if isinstance(f, Quotient) else 0 for f in self._factors.values())
        if self.depth > MAX_SIZE_DEPTH:
            raise SizeError(f"a size nests more than {int(MAX_SIZE_DEPTH)} quotients")
        self.dims: frozenset[str] = frozenset().union(*map(_list_dims_of, self._factors.values()))
        """The names of all dims in it."""
        self.text = _render_terms(self._terms)
        self.is_dim: bool = self.dims == {self.text}
        """Whether it is one dim, and nothing beside."""
        if len(self.text) > MAX_SIZE_CHARACTERS:
            raise SizeError(f"a size is longer than {int(MAX_SIZE_CHARACTERS)} characters")

    @property
    def terms(self) -> Mapping[_Monomial, int]:
        return self._terms

    @property
    def factors(self) -> Mapping[str, Factor]:
        """By their texts."""
        return self._factors

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expression) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def __repr__(self) -> str:
        return self.text

    def __add__(self, other: Size) -> Size:
        return _sum(self, other, 1)

    def __radd__(self, other: int) -> Size:
        return _sum(self, other, 1)

    def __sub__(self, other: Size) -> Size:
        return _sum(self, other, -1)

    def __rsub__(self, other: int) -> Size:
        return _sum(other, self, -1)

    def __neg__(self) -> Size:
        return _sum(0, self, -1)

    def __mul__(self, other: Size) -> Size:
        return _product(self, other)

    def __rmul__(self, other: int) -> Size:
        return _product(self, other)

    def __floordiv__(self, by: int) -> Size:
        return _divide(self, by)


Size: TypeAlias = int | Expression


def dim(name: str) -> Expression:
    """The size that is the dim of that name."""
    return Expression({(name,): 1}, {name: name})


def multiply_sizes(sizes: Iterable[Size]) -> Size:
    """Their product; 1 of none."""
    product: Size = 1
    for size in sizes:
        product = product * size
    return product


def evaluate_size(size: Size, dims: Mapping[str, int]) -> int:
    """The number that `size` is once every dim has one."""
    if isinstance(size, int):
        return size
    if size.is_dim:
        return dims[size.text]
    total = 0
    for monomial, coefficient in size.terms.items():
        product = coefficient
        for name in monomial:
            factor = size.factors[name]
            if isinstance(factor, Quotient):
                product *= evaluate_size(factor.inside, dims) // factor.by
            else:
                product *= dims[factor]
        total += product
    return total


def list_dims(size: Size) -> frozenset[str]:
    """The names of the dims in `size`."""
    return frozenset() if isinstance(size, int) else size.dims


def _list_dims_of(factor: Factor) -> frozenset[str]:
    return factor.inside.dims if isinstance(factor, Quotient) else frozenset({factor})


def _render_terms(terms: Mapping[_Monomial, int]) -> str:
    text = ""
    for monomial, coefficient in terms.items():
        sign = "-" if coefficient < 0 else "+" if text else ""
        factors = "*".join(monomial)
        number = abs(coefficient)
        if not factors:
            text += f"{sign}{number}"
        else:
            text += f"{sign}{factors}" if number == 1 else f"{sign}{number}*{factors}"
    return text


def _take_apart(size: Size) -> tuple[dict[_Monomial, int], dict[str, Factor]]:
    if isinstance(size, int):
        return ({(): size} if size else {}), {}
    return dict(size.terms), dict(size.factors)


def _put_together(terms: dict[_Monomial, int], factors: Mapping[str, Factor]) -> Size:
    kept = {monomial: coefficient for monomial, coefficient in terms.items() if coefficient}
    if any(abs(coefficient) > _MAX_COEFFICIENT for coefficient in kept.values()):
        raise SizeError("a size has a number that needs more than 64 bits")
    if not kept:
        return 0
    return kept[()] if kept.keys() == {()} else Expression(kept, factors)


@lru_cache(maxsize=_REMEMBERED)
def _sum(left: Size, right: Size, sign: int) -> Size:
    terms, factors = _take_apart(left)
    others, more = _take_apart(right)
    for monomial, coefficient in others.items():
        terms[monomial] = terms.get(monomial, 0) + sign * coefficient
    return _put_together(terms, factors | more)


@lru_cache(maxsize=_REMEMBERED)
def _product(left: Expression, right: Size) -> Size:
    others, more = _take_apart(right)
    if len(left.terms) * len(others) > MAX_SIZE_TERMS**2:
        raise SizeError(f"a size has more than {int(MAX_SIZE_TERMS)} terms")
    terms: dict[_Monomial, int] = {}
    for one, a in left.terms.items():
        for two, b in others.items():
            monomial = tuple(sorted(one + two))
            terms[monomial] = terms.get(monomial, 0) + a * b
    return _put_together(terms, {**left.factors, **more})


def _divide(size: Expression, by: int) -> Size:
    if by <= 0:
        raise SizeError("a size is divided by a number below 1")
    whole: dict[_Monomial, int] = {}
    rest: dict[_Monomial, int] = {}
    for monomial, coefficient in size.terms.items():
        quotient, remainder = divmod(coefficient, by)
        whole[monomial] = quotient
        if remainder:
            rest[monomial] = remainder
    outside = _put_together(whole, size.factors)
    inside = _put_together(rest, size.factors)
    if isinstance(inside, int):
        return outside  # below `by`, so its quotient is 0
    return outside + _quotient_of(inside, by)


def _quotient_of(inside: Expression, by: int) -> Size:
    """`inside` has only numbers from 1 to by - 1."""
    common = math.gcd(by, *(number for monomial, number in inside.terms.items() if monomial))
    if common > 1:
        terms = {m: number // common for m, number in inside.terms.items()}
        return _divide_again(_put_together(terms, inside.factors), by // common)
    nested = [
        factor
        for monomial, number in inside.terms.items()
        if len(monomial) == 1 and number == 1 and isinstance(factor := inside.factors[monomial[0]], Quotient)
    ]
    if len(nested) == 1:
        # Rounding down twice is rounding down once by the product.
        inner = nested[0]
        others = inside - Expression({(inner.text,): 1}, {inner.text: inner})
        return _divide_again(inner.inside + others * inner.by, by * inner.by)
    quotient = Quotient(inside, by)
    return Expression({(quotient.text,): 1}, {quotient.text: quotient})


def _divide_again(size: Size, by: int) -> Size:
    return size // by
