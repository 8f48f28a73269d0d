"""Which libraries of fast matrix products lie where this system can be trusted to keep them.

MLX's wheels for Linux bring the reference library, which is some forty times slower. NumPy, which MLX-LM asks for,
brings a good one along; others are looked for in fixed places only: where this interpreter has its packages, and
where the system has its libraries. Never where an environment variable, the current directory or a model says.
docs/speed.md has the measurements that decided the order.
"""

from __future__ import annotations

import os
import stat
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from ostiary._hazmat.blas_library import BlasNames, works_in_child
from ostiary.core.values import dataclass


class BlasKind(StrEnum):
    OPENBLAS = "openblas"
    MKL = "mkl"
    BLIS = "blis"


@dataclass(frozen=True, slots=True)
class Blas:
    """A library that was found. `problem`: why it may not be used; empty where it may be tried."""

    kind: BlasKind
    source: str
    """Who brought it."""
    path: Path
    names: BlasNames
    thread_bytes: int
    """Addresses that each thread of it takes."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Pattern:
    kind: BlasKind
    source: str
    file: str
    """Below a place."""
    names: BlasNames
    thread_bytes: int


@dataclass(frozen=True, slots=True)
class Places:
    """Directories to look into, and who may own what lies in them."""

    packages: Sequence[Path]
    """Where Python imports from: MLX itself lies there."""
    prefixes: Sequence[Path]
    """The interpreter's own `lib`."""
    system: Sequence[Path]
    user_id: int
    """Besides root, for packages and prefixes."""
    group_id: int


def _name_openblas(before: str = "", after: str = "") -> BlasNames:
    return BlasNames(
        sgemm=f"{before}cblas_sgemm{after}",
        sgemv=f"{before}cblas_sgemv{after}",
        set_threads=f"{before}openblas_set_num_threads{after}",
        somatcopy=f"{before}cblas_somatcopy{after}",
        has_wide_integers=bool(after),
    )


_MIB: Final = 1 << 20
_WHEEL_BYTES, _SYSTEM_BYTES, _OTHER_BYTES = 40 * _MIB, 136 * _MIB, 32 * _MIB
_MKL: Final = BlasNames("cblas_sgemm", "cblas_sgemv", "MKL_Set_Num_Threads", set_layer="MKL_Set_Threading_Layer")
_BLIS: Final = BlasNames("cblas_sgemm", "cblas_sgemv", "bli_thread_set_num_threads")
_SCIPY: Final = _name_openblas("scipy_")
_NUMPY: Final = _name_openblas("scipy_", "64_")
_PLAIN: Final = _name_openblas()

# In the order in which they are tried.
_IN_PACKAGES: Final = (
    _Pattern(
        BlasKind.OPENBLAS, "scipy-openblas32", "scipy_openblas32/lib/libscipy_openblas*.so", _SCIPY, _WHEEL_BYTES
    ),
    _Pattern(BlasKind.OPENBLAS, "NumPy", "numpy.libs/libscipy_openblas64_*.so", _NUMPY, _WHEEL_BYTES),
    _Pattern(BlasKind.OPENBLAS, "SciPy", "scipy.libs/libscipy_openblas-*.so", _SCIPY, _WHEEL_BYTES),
)
_IN_PREFIXES: Final = (
    _Pattern(BlasKind.MKL, "the package mkl", "libmkl_rt.so.?", _MKL, _OTHER_BYTES),
    _Pattern(BlasKind.OPENBLAS, "the interpreter's libraries", "libopenblas.so.0", _PLAIN, _SYSTEM_BYTES),
)
_IN_SYSTEM: Final = (
    _Pattern(BlasKind.OPENBLAS, "the system", "openblas-pthread/libopenblas.so.0", _PLAIN, _SYSTEM_BYTES),
    _Pattern(BlasKind.OPENBLAS, "the system", "libopenblasp.so.0", _PLAIN, _SYSTEM_BYTES),
    _Pattern(BlasKind.OPENBLAS, "the system", "libopenblas.so.0", _PLAIN, _SYSTEM_BYTES),
    _Pattern(BlasKind.BLIS, "the system", "blis-pthread/libblis.so.?", _BLIS, _OTHER_BYTES),
    _Pattern(BlasKind.BLIS, "the system", "libblis.so.?", _BLIS, _OTHER_BYTES),
    _Pattern(BlasKind.MKL, "the system", "libmkl_rt.so", _MKL, _OTHER_BYTES),
)
_PACKAGE_DIRECTORIES: Final = frozenset({"site-packages", "dist-packages"})


def find_places() -> Places:
    """This interpreter's and this system's."""
    prefixes = {Path(prefix, "lib"): None for prefix in (sys.prefix, sys.base_prefix)}
    machine = sysconfig.get_config_var("MULTIARCH") or f"{os.uname().machine}-linux-gnu"
    return Places(
        packages=[
            place for place in map(Path, sys.path) if place.name in _PACKAGE_DIRECTORIES and place.is_absolute()
        ],
        prefixes=list(prefixes),
        system=[Path("/usr/lib", machine), Path("/usr/lib64"), Path("/usr/lib")],
        user_id=os.geteuid(),
        group_id=os.getegid(),
    )


def find_blas(places: Places | None = None) -> tuple[Blas, ...]:
    """Every library that lies there, in the order in which they are tried; also those that may not be used."""
    if sys.platform != "linux":
        return ()
    looked = places or find_places()
    found: dict[Path, Blas] = {}
    for patterns, directories, is_system in (
        (_IN_PACKAGES, looked.packages, False),
        (_IN_PREFIXES, looked.prefixes, False),
        (_IN_SYSTEM, looked.system, True),
    ):
        owners = {0} if is_system else {0, looked.user_id}
        groups = {0} if is_system else {0, looked.group_id}
        for blas in _search(patterns, directories, owners, groups):
            found.setdefault(blas.path, blas)
    return tuple(found.values())


def choose_blas(found: Iterable[Blas], wanted: BlasKind | None = None) -> Blas | None:
    """The first that may be used and computes right, of the kind that is wanted. One thread only: see below."""
    for blas in found:
        if not blas.problem and wanted in {None, blas.kind} and works_in_child(str(blas.path), blas.names):
            return blas
    return None


def _search(
    patterns: Iterable[_Pattern], directories: Sequence[Path], owners: set[int], groups: set[int]
) -> Iterator[Blas]:
    for pattern in patterns:
        for directory in directories:
            for file in sorted(_glob(directory, pattern.file), reverse=True):
                path = file.resolve()
                problem = _find_problem(path, owners, groups)
                yield Blas(pattern.kind, pattern.source, path, pattern.names, pattern.thread_bytes, problem)


def _glob(directory: Path, pattern: str) -> list[Path]:
    try:
        return [path for path in directory.glob(pattern) if path.is_file()]
    except OSError:
        return []


def _find_problem(path: Path, owners: set[int], groups: set[int]) -> str:
    """A file is as safe as every directory above it: who may rename one of those may put another in its place."""
    for place in (path, *path.parents):
        try:
            status = place.stat()
        except OSError:
            return "it cannot be looked at"
        what = "it" if place == path else "a directory above it"
        if status.st_uid not in owners:
            return f"{what} belongs to another user"
        is_sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
        if status.st_mode & stat.S_IWOTH and not is_sticky:
            return f"everybody may write to {what}"
        if status.st_mode & stat.S_IWGRP and status.st_gid not in groups and not is_sticky:
            return f"another group may write to {what}"
    return ""
