"""The walls of every kind of system, compiled here and compared with files that people have read."""

from __future__ import annotations

from golden.render import HERE, render_all


def test_every_wall_is_the_one_that_was_reviewed() -> None:
    """Write them anew with `python tests/golden/render.py`, and read the difference."""
    rendered = render_all()
    assert rendered == {name: (HERE / name).read_text(encoding="utf-8") for name in rendered}
    assert {path.name for path in HERE.glob("*.txt")} == set(rendered)
