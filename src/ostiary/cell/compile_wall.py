"""From a profile to the wall of its system. Pure."""

from __future__ import annotations

from ostiary._hazmat.wall import Wall
from ostiary.cell.compile_darwin import compile_darwin
from ostiary.cell.compile_linux import compile_linux
from ostiary.cell.profile import WallProfile


def compile_wall(
    profile: WallProfile, *, serial: int = 0, threads_of_user: int = 0, metal_kernels: str = ""
) -> Wall:
    """`serial` and `threads_of_user`: see `compile_linux`. `metal_kernels`: see `compile_darwin`."""
    if profile.facts.system == "darwin":
        return compile_darwin(profile, metal_kernels=metal_kernels)
    return compile_linux(profile, serial=serial, threads_of_user=threads_of_user)
