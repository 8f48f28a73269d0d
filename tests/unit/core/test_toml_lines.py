"""In which line a field stands."""

from __future__ import annotations

import pytest

from ostiary.core.toml_lines import find_line

TEXT = '''# limits
a = 1
b = """
a = 5
x = 6
"""
[t]
x = [
  1,
]
[t.u]
x = 1
[[list]]
x = 1
[[list]]
y = 2
"q r" = 3
d.e.f = 4
"\\u0067" = 5
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 2),
        (("b",), 3),
        (("t",), 7),
        (("t", "x"), 8),
        (("t", "u"), 11),
        (("t", "u", "x"), 12),
        (("list", 1), 13),
        (("list", 1, "x"), 14),
        (("list", 2), 15),
        (("list", 2, "y"), 16),
        (("list", 2, "q r"), 17),
        (("list", 2, "d"), 18),
        (("list", 2, "d", "e", "f"), 18),
        (("list", 2, "g"), None),  # written with an escape: not found by its name
        (("absent",), None),
        (("list", 3), None),
    ],
)
def test_a_field(path: tuple[str | int, ...], line: int | None) -> None:
    assert find_line(TEXT, path) == line


def test_the_search_ends() -> None:
    assert find_line("x = 1\n" * 40_000, ("x", "y")) is None
    assert find_line('x = """\n' + "x\n" * 100_000, ("x",)) is None
