"""Libraries are found in trusted places only, and used only when they compute right."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from ostiary._hazmat.blas_library import BlasNames, works_in_child
from ostiary.cell import blas
from ostiary.cell.blas import Blas, BlasKind, Places, choose_blas, find_blas

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="macOS has a library of its own")

NUMPY = "site-packages/numpy.libs/libscipy_openblas64_-1a2b.so"
SCIPY = "site-packages/scipy.libs/libscipy_openblas-1a2b.so"
EXTRA = "site-packages/scipy_openblas32/lib/libscipy_openblas.so"
MKL = "lib/libmkl_rt.so.3"
DEBIAN = "usr/openblas-pthread/libopenblas.so.0"
BLIS = "usr/blis-pthread/libblis.so.4"


class Disk:
    """Files as installers leave them, in a directory of ours."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, *names: str) -> None:
        for name in names:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            path.write_bytes(b"\x7fELF")
            path.chmod(0o644)

    def places(self, user_id: int | None = None) -> Places:
        return Places(
            packages=[self.root / "site-packages"],
            prefixes=[self.root / "lib"],
            system=[self.root / "usr"],
            user_id=os.geteuid() if user_id is None else user_id,
            group_id=os.getegid(),
        )

    def find(self) -> tuple[Blas, ...]:
        return find_blas(self.places())

    def problems(self) -> list[str]:
        return [found.problem for found in self.find()]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def name_all(found: Iterable[Blas]) -> list[str]:
    return [f"{each.kind} of {each.source}" for each in found]


def test_what_was_installed_on_purpose_comes_first_and_the_systems_last(disk: Disk) -> None:
    disk.put(DEBIAN, BLIS, MKL, SCIPY, NUMPY, EXTRA)
    assert name_all(disk.find()) == [
        "openblas of scipy-openblas32",
        "openblas of NumPy",
        "openblas of SciPy",
        "mkl of the package mkl",
        "openblas of the system",
        "blis of the system",
    ]
    assert [each.names.has_wide_integers for each in disk.find()] == [False, True, False, False, False, False]


def test_nothing_lies_anywhere_else(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.put(
        "cwd/libopenblas.so.0", "site-packages/evil/libopenblas.so.0", "model/numpy.libs/libscipy_openblas64_-1.so"
    )
    monkeypatch.chdir(disk.root / "cwd")
    monkeypatch.setenv("LD_LIBRARY_PATH", str(disk.root / "cwd"))
    assert disk.find() == ()
    monkeypatch.setattr(sys, "path", ["", str(disk.root / "cwd"), "site-packages", *sys.path])
    packages = blas.find_places().packages
    assert all(place.is_absolute() and place.name in {"site-packages", "dist-packages"} for place in packages)


def test_one_file_under_two_names_is_one(disk: Disk) -> None:
    disk.put(DEBIAN)
    (disk.root / "usr" / "libopenblas.so.0").symlink_to(disk.root / DEBIAN)
    assert [each.path for each in disk.find()] == [disk.root / DEBIAN]


def test_a_name_without_a_file_is_none(disk: Disk) -> None:
    disk.put(DEBIAN)
    (disk.root / DEBIAN).unlink()
    (disk.root / DEBIAN).symlink_to("gone")
    assert disk.find() == ()


@pytest.mark.parametrize("mode", [0o666, 0o646])
def test_everybody_may_write(disk: Disk, mode: int) -> None:
    disk.put(NUMPY)
    (disk.root / NUMPY).chmod(mode)
    assert disk.problems() == ["everybody may write to it"]


def test_everybody_may_exchange_a_directory_above(disk: Disk) -> None:
    disk.put(NUMPY)
    (disk.root / "site-packages").chmod(0o777)
    assert disk.problems() == ["everybody may write to a directory above it"]
    (disk.root / "site-packages").chmod(0o1777)  # as /tmp: nobody may rename what is another's
    assert disk.problems() == [""]


def test_a_link_is_judged_by_where_it_leads(disk: Disk) -> None:
    disk.put("open/lib.so")
    (disk.root / "open").chmod(0o777)
    (disk.root / "site-packages" / "numpy.libs").mkdir(parents=True)
    (disk.root / NUMPY).symlink_to(disk.root / "open" / "lib.so")
    assert disk.problems() == ["everybody may write to a directory above it"]


def test_another_group_may_write(disk: Disk) -> None:
    disk.put(NUMPY)
    (disk.root / NUMPY).chmod(0o664)
    assert disk.problems() == [""]  # the group is our own
    places = disk.places()
    others = Places(places.packages, places.prefixes, places.system, places.user_id, places.group_id + 1)
    said = {each.problem for each in find_blas(others)}
    assert said == ({"another group may write to it"} if os.getegid() else {""})  # root's group is trusted


def test_another_user_owns_it(disk: Disk) -> None:
    disk.put(NUMPY)
    if os.geteuid() == 0:
        os.chown(disk.root / NUMPY, 12_345, -1)
        assert disk.problems() == ["it belongs to another user"]
    else:
        assert [each.problem for each in find_blas(disk.places(os.geteuid() + 1))] == ["it belongs to another user"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root's files are trusted everywhere")
def test_what_the_system_has_belongs_to_root(disk: Disk) -> None:
    disk.put(DEBIAN, NUMPY)
    assert disk.problems() == ["", "it belongs to another user"]


def make(source: str, kind: BlasKind = BlasKind.OPENBLAS, problem: str = "") -> Blas:
    return Blas(kind, source, Path("/nowhere") / source, BlasNames("a", "b", "c"), 1, problem)


def test_the_first_that_computes_right_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def works(path: str, _names: BlasNames) -> bool:
        tried.append(Path(path).name)
        return "good" in path

    monkeypatch.setattr(blas, "works_in_child", works)
    found = [
        make("good, but open", problem="everybody may write to it"),
        make("broken"),
        make("good"),
        make("better"),
    ]
    chosen = choose_blas(found)
    assert chosen is found[2]
    assert tried == ["broken", "good"]
    mkl = make("good mkl", BlasKind.MKL)
    assert choose_blas([*found, mkl], BlasKind.MKL) is mkl
    assert choose_blas(found, BlasKind.BLIS) is None
    assert choose_blas([]) is None


# --- the trial itself, with a real library where NumPy brought one ---


@pytest.fixture(scope="module")
def real() -> Blas:
    usable = [each for each in find_blas() if not each.problem]
    if not usable:
        pytest.skip("no library is installed here")
    return usable[0]


def test_a_real_library_computes_right(real: Blas) -> None:
    assert works_in_child(str(real.path), real.names)


def test_a_library_that_crashes_or_lies_harms_nobody(real: Blas) -> None:
    names = real.names
    assert not works_in_child(str(real.path), names._replace(sgemm=names.sgemv))
    assert not works_in_child(str(real.path), names._replace(sgemv=names.set_threads))
    assert not works_in_child(str(real.path), names._replace(has_wide_integers=False, sgemm="strlen"))


def test_what_is_no_library_or_lacks_a_function_does_not_work(real: Blas, tmp_path: Path) -> None:
    (tmp_path / "lib.so").write_bytes(b"\x7fELF and no more")
    assert not works_in_child(str(tmp_path / "lib.so"), real.names)
    assert not works_in_child(str(tmp_path / "gone.so"), real.names)
    assert not works_in_child(str(real.path), real.names._replace(sgemm="no_such_function"))
