"""`dataclass` as the standard library has it, but with its methods made when they are first needed.

The library compiles six methods for every frozen class while its module is imported. The house has some 150 of
them, and a command makes a few values of each: that was a third of the time that `ostiary verify` took for a small
model. Here the methods are plain functions over `fields`, and `__init__` is compiled once a class is used often.
There is no `__post_init__`.
"""

from __future__ import annotations

import dataclasses
from dataclasses import MISSING, FrozenInstanceError, field, fields
from typing import TYPE_CHECKING, Any, Final, NoReturn

_CALLS_BEFORE_COMPILING: Final = 100  # which cost as much as compiling does

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass  # what type checkers see

    Make = Callable[..., None]
else:

    def dataclass(*, frozen=False, slots=False, kw_only=False, eq=True):
        """A decorator with those of the library's options that the house uses; the class is one to the library."""

        def make(plain: type) -> type:
            if plain.__doc__ is None:  # else the library writes out the signature
                plain.__doc__ = plain.__name__
            made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(plain)
            made.__init__ = _defer_init(made, frozen=frozen, slots=slots)
            methods = {"__repr__": _render}
            if eq:
                methods |= {"__eq__": _is_equal, "__hash__": _compute_hash if frozen else None}
            if frozen:
                methods |= {"__setattr__": _refuse_setting, "__delattr__": _refuse_deleting}
            for name, method in methods.items():
                if name not in plain.__dict__:
                    setattr(made, name, method)
            return made

        return make


def _defer_init(made: type, *, frozen: bool, slots: bool) -> Make:
    """An `__init__` that sets the fields one by one, and gives way to a compiled one where it is called often."""
    calls = 0

    def __init__(self: Any, *values: Any, **named: Any) -> None:  # noqa: N807
        nonlocal calls
        calls += 1
        filled = _fill_fields(made, values, named) if calls < _CALLS_BEFORE_COMPILING else None
        if filled is None:
            init = _compile_init(made, frozen=frozen, slots=slots)
            setattr(made, "__init__", init)  # noqa: B010  mypy: a method is not assigned to
            init(self, *values, **named)
            return
        for name, value in filled.items():
            object.__setattr__(self, name, value)

    return __init__


def _fill_fields(made: type, values: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any] | None:
    """Field to value; None where the arguments do not fit, so that the library's `__init__` says why."""
    known = fields(made)
    positions = [item.name for item in known if item.init and not item.kw_only]
    given = dict(zip(positions, values, strict=False))
    if len(values) > len(positions) or not given.keys().isdisjoint(named):
        return None
    given |= named
    filled = {}
    for item in known:
        if item.init and item.name in given:
            filled[item.name] = given.pop(item.name)
        elif item.default is not MISSING:
            filled[item.name] = item.default
        elif item.default_factory is not MISSING:
            filled[item.name] = item.default_factory()
        else:
            return None
    return None if given else filled


def _compile_init(made: type, *, frozen: bool, slots: bool) -> Make:
    """The library's own `__init__`, from a class of the same fields that nobody else sees."""
    body: dict[str, Any] = {"__annotations__": {}, "__doc__": ""}
    for item in fields(made):
        body["__annotations__"][item.name] = object
        body[item.name] = field(
            default=item.default,
            default_factory=item.default_factory,
            init=item.init,
            kw_only=item.kw_only,
        )
    twin = type(made.__name__, (), body)
    build = dataclasses.dataclass(frozen=frozen, slots=slots, repr=False, eq=False, match_args=False)
    init: Make = build(twin).__init__  # type: ignore[misc]
    init.__qualname__ = f"{made.__qualname__}.__init__"
    return init


def _compared(value: Any) -> tuple[object, ...]:
    return tuple(getattr(value, item.name) for item in fields(value) if item.compare)


def _is_equal(self: Any, other: object) -> bool:
    return _compared(self) == _compared(other) if other.__class__ is self.__class__ else NotImplemented


def _compute_hash(self: Any) -> int:
    return hash(_compared(self))


def _render(self: Any) -> str:
    shown = (f"{item.name}={getattr(self, item.name)!r}" for item in fields(self) if item.repr)
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _refuse_setting(_self: object, name: str, _value: object) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deleting(_self: object, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


__all__: Final = ["dataclass"]
