"""Our `dataclass` beside the standard library's: nobody must notice which of the two it was."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field, replace
from typing import Any, ClassVar

import pytest

from ostiary.core import values


def make_classes(dataclass: Callable[..., Any]) -> dict[str, Any]:
    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2
        note: str = field(default="", repr=False, compare=False)
        kind: ClassVar[str] = "point"

    @dataclass(frozen=True, slots=True)
    class Place:
        x: int
        y: int = 2

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Base:
        first: int

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Below(Base):
        many: list[int] = field(default_factory=list)

    @dataclass(slots=True)
    class Open:
        x: int
        count: int = field(default=7, init=False)

    @dataclass(frozen=True, slots=True, eq=False)
    class Single:
        x: int

    @dataclass(frozen=True, slots=True)
    class Own:
        x: int

        def __repr__(self) -> str:
            return "mine"

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 7

    return {c.__name__: c for c in (Point, Place, Base, Below, Open, Single, Own)}


@pytest.fixture(params=["library", "ours", "ours, compiled"])
def made(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    if request.param == "ours, compiled":
        monkeypatch.setattr(values, "_CALLS_BEFORE_COMPILING", 0)
    return make_classes(dataclasses.dataclass if request.param == "library" else values.dataclass)


def test_a_value_is_made_compared_hashed_and_shown(made: dict[str, Any]) -> None:
    point = made["Point"]
    assert point(1) == point(x=1, y=2, note="other") != point(1, 3)
    assert hash(point(1)) == hash(point(1, note="other"))
    assert repr(point(1)).endswith("Point(x=1, y=2)")
    assert (point(1).kind, point.__match_args__) == ("point", ("x", "y", "note"))
    assert point(1) != made["Place"](1)  # of the same fields, and still something else
    assert repr(made["Own"](1)) == "mine"
    assert (hash(made["Own"](1)), made["Own"](1) == 3) == (7, True)


def test_a_frozen_value_stays_as_it_is(made: dict[str, Any]) -> None:
    point = made["Point"](1)
    with pytest.raises(FrozenInstanceError):
        point.x = 2
    with pytest.raises((FrozenInstanceError, TypeError)):  # the library trips over itself here before 3.13
        point.other = 2
    with pytest.raises(FrozenInstanceError):
        del point.x
    assert point.x == 1
    assert not hasattr(point, "__dict__")


def test_an_open_value_changes_and_has_no_hash(made: dict[str, Any]) -> None:
    value = made["Open"](1)
    value.x = 5
    assert (value.x, value.count) == (5, 7)
    with pytest.raises(TypeError):
        hash(value)
    with pytest.raises(TypeError):
        made["Open"](1, 2)


def test_fields_are_inherited_and_named(made: dict[str, Any]) -> None:
    below = made["Below"]
    assert below(first=1) == below(first=1, many=[])
    assert below(first=1).many is not below(first=1).many
    with pytest.raises(TypeError):
        below(1)
    with pytest.raises(TypeError):
        below(many=[])


def test_without_eq_only_the_same_object_is_equal(made: dict[str, Any]) -> None:
    single = made["Single"]
    one = single(1)
    assert one == one  # noqa: PLR0124
    assert one != single(1)
    assert len({one, single(1)}) == 2


def test_the_library_knows_it(made: dict[str, Any]) -> None:
    point = made["Point"](1)
    assert replace(point, y=9) == made["Point"](1, 9)
    assert dataclasses.asdict(made["Below"](first=1, many=[2])) == {"first": 1, "many": [2]}
    assert [f.name for f in dataclasses.fields(point)] == ["x", "y", "note"]
    assert copy.copy(made["Open"](1)).x == 1


@pytest.mark.parametrize(
    ("given", "named"), [((), {}), ((1, 2, "", 4), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((1,), {"kind": "x"})]
)
def test_wrong_arguments_are_told_by_name(
    made: dict[str, Any], given: tuple[object, ...], named: dict[str, object]
) -> None:
    for _ in range(2):  # the first call and those after it
        with pytest.raises(TypeError, match=r"Point\.__init__\(\)"):
            made["Point"](*given, **named)
        assert made["Point"](1).y == 2


def test_a_class_that_is_used_often_goes_on_as_before() -> None:
    point = make_classes(values.dataclass)["Point"]
    made = [point(n, note="n") for n in range(3 * values._CALLS_BEFORE_COMPILING)]
    assert made == [point(n) for n in range(len(made))]
    assert [p.note for p in made] == ["n"] * len(made)
