"""A wall on its way from the cell that compiled it to the process that puts it up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from golden.render import LIMITS, MAC, OLD, ROOT, USER

from ostiary._hazmat.wall import parse_wall, render_wall
from ostiary._hazmat.wall_darwin import DarwinWall
from ostiary.cell.compile_wall import compile_wall
from ostiary.cell.profile import Layer, SystemFacts, choose_profile


@pytest.mark.parametrize("facts", [ROOT, USER, OLD, replace(ROOT, machine="aarch64"), MAC])
def test_it_arrives_as_it_was_sent(facts: SystemFacts) -> None:
    wall = compile_wall(
        choose_profile(facts, LIMITS), serial=3, threads_of_user=5, metal_kernels="/opt/mlx.metallib"
    )
    assert parse_wall(render_wall(wall)) == wall


def test_a_path_never_stands_in_the_text_of_a_profile() -> None:
    hostile = '/opt/") (allow default) ("'
    wall = compile_wall(choose_profile(MAC, LIMITS), metal_kernels=hostile)
    assert isinstance(wall, DarwinWall)
    assert wall.seatbelt is not None
    assert "/opt" not in wall.seatbelt
    assert wall.parameters == (("METAL_KERNELS", hostile),)


def test_a_seatbelt_that_is_left_out_leaves_nothing_behind() -> None:
    wall = compile_wall(choose_profile(MAC, LIMITS, [Layer.SEATBELT, Layer.NOT_DUMPABLE, Layer.RESOURCES]))
    assert isinstance(wall, DarwinWall)
    assert wall.seatbelt is None
    assert wall.parameters == wall.resources == ()
    assert not wall.is_not_dumpable


def test_parentheses_of_the_profile_are_balanced() -> None:
    wall = compile_wall(choose_profile(MAC, LIMITS))
    assert isinstance(wall, DarwinWall)
    depth = 0
    for line in (wall.seatbelt or "").splitlines():
        for character in line.split(";")[0]:
            depth += {"(": 1, ")": -1}.get(character, 0)
            assert depth >= 0
    assert depth == 0
