"""What multiplies matrices in this process: a library of the system's or of a package, or MLX's own."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Final

import mlx.core as mx

from ostiary._hazmat.blas_library import BlasLibrary, computes_right
from ostiary._hazmat.import_slot import find_import
from ostiary.cell.blas import Blas, BlasKind, choose_blas, find_blas
from ostiary.core.values import dataclass

_LIBRARY: Final = Path("lib", "libmlx.so")
_PRODUCT: Final = "cblas_sgemm"


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How products are computed. `library` None: by what MLX brought along."""

    blas: Blas | None = None
    library: BlasLibrary | None = None

    @property
    def name(self) -> str:
        return "MLX's own" if self.blas is None else f"{self.blas.kind.value} of {self.blas.source}"

    @property
    def thread_bytes(self) -> int:
        return 0 if self.blas is None else self.blas.thread_bytes


def is_on_processor() -> bool:
    """Whether what follows is of use here: MLX computes on the processor, and not with Apple's own library."""
    return sys.platform == "linux" and mx.default_device() == mx.cpu


@cache
def take_arithmetic(wanted: BlasKind | None = None) -> Arithmetic:
    """Opens the best library that there is and lets MLX call it, for as long as this process lives.

    In front of the wall and with one thread: a child process tries the library first.
    """
    slot = find_import(Path(str(mx.__file__)).parent / _LIBRARY, _PRODUCT)
    blas = None if slot is None else choose_blas(find_blas(), wanted)
    if slot is None or blas is None:
        return Arithmetic()
    try:
        library = BlasLibrary(str(blas.path), blas.names)
        library.set_threads(1)
        if not computes_right(library):  # it did in the child; here it also loads what it loads late
            return Arithmetic()
        slot.point_at(library.product)
    except OSError:
        return Arithmetic()
    return Arithmetic(blas, library)
