"""A directory is there whole, or as it was before."""

from __future__ import annotations

from pathlib import Path

import pytest

from ostiary.errors import ExportRefused, OutputUnwritable
from ostiary.exporter.directory import check_place, write_file, written_whole


def list_names(path: Path) -> list[str]:
    return sorted(item.name for item in path.iterdir())


def write(path: Path, text: bytes, *, overwrite: bool = False) -> None:
    with written_whole(path, overwrite=overwrite) as draft:
        write_file(draft / "graph.json", text)


def test_it_takes_its_place_when_the_block_ends(tmp_path: Path) -> None:
    place = tmp_path / "above" / "model"
    with written_whole(place, overwrite=False) as draft:
        write_file(draft / "graph.json", b"1")
        assert not place.exists()
    assert (place / "graph.json").read_bytes() == b"1"
    assert list_names(place.parent) == ["model"]
    assert place.stat().st_mode & 0o777 == 0o755


def interrupt(place: Path) -> None:
    with written_whole(place, overwrite=False) as draft:
        write_file(draft / "graph.json", b"1")
        raise KeyboardInterrupt


def test_nothing_is_left_where_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        interrupt(tmp_path / "model")
    assert not list_names(tmp_path)


def test_an_earlier_export_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    place = tmp_path / "model"
    write(place, b"1")
    with pytest.raises(ValueError, match="broken"), written_whole(place, overwrite=True):
        raise ValueError("broken")
    assert (place / "graph.json").read_bytes() == b"1"
    write(place, b"2", overwrite=True)
    assert (place / "graph.json").read_bytes() == b"2"
    assert list_names(tmp_path) == ["model"]


def write_beside_another(place: Path) -> None:
    with written_whole(place, overwrite=False):
        place.mkdir()
        (place / "mine.txt").write_text("mine")


def test_what_came_to_lie_there_meanwhile_is_not_lost(tmp_path: Path) -> None:
    place = tmp_path / "model"
    with pytest.raises(ExportRefused):
        write_beside_another(place)
    assert list_names(place) == ["mine.txt"]


@pytest.mark.parametrize("kind", ["file", "link", "other"])
def test_only_exports_are_replaced(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "model"
    if kind == "file":
        place.write_text("mine")
    elif kind == "link":
        (tmp_path / "elsewhere").mkdir()
        place.symlink_to("elsewhere")
    else:
        place.mkdir()
        (place / "config.json").write_text("{}")
    with pytest.raises(ExportRefused):
        check_place(place, overwrite=True)


def test_a_place_that_cannot_be_written_is_told_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputUnwritable) as caught, written_whole(tmp_path / "file" / "model", overwrite=False):
        pass
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("fails_at", [1, 2], ids=["as the old goes", "as the new comes"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_whoever_stops_it_as_they_change_places_still_has_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], fails_at: int
) -> None:
    place = tmp_path / "model"
    write(place, b"1")
    rename, calls = Path.rename, []

    def stop(self: Path, target: Path) -> Path:
        calls.append(target)
        if len(calls) == fails_at:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stop)
    with pytest.raises((KeyboardInterrupt, OutputUnwritable)):
        write(place, b"2", overwrite=True)
    assert (place / "graph.json").read_bytes() == b"1"
    assert list_names(tmp_path) == ["model"]
