"""What is kept of models that end: across processes, on a full disk, and when somebody wrote into it."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary import errors
from ostiary.cell import quarantine
from ostiary.cell.ending import Cause
from ostiary.cell.quarantine import KeptModel, Quarantine
from ostiary.cell.quarantine_file import End, Ends, EndsUnreadable, parse_ends, render_ends
from ostiary.errors import CellRefused, Misuse, OutputUnwritable
from ostiary.record.events import Event, ModelQuarantined, ModelReleased

ROOT = "ab" * 32
OTHER = "cd" * 32


class House:
    """One state directory, its clock and what it told the record."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.now = 1_000_000.0
        self.events: list[Event] = []
        self.quarantine = self.open()

    def open(self) -> Quarantine:
        return Quarantine(self.state, self.events.append, lambda: self.now)

    def end(self, times: int = 1, *, cause: Cause = Cause.CRASH, restarts: int = 3, root: str = ROOT) -> None:
        for _ in range(times):
            self.quarantine.note_end(root, "llama", cause, restarts, "id-1")

    @property
    def file(self) -> Path:
        return self.state / "quarantine" / f"{ROOT}.json"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "state")


def _refused(house: House, root: str = ROOT) -> str:
    with pytest.raises(CellRefused) as caught:
        house.quarantine.check(root)
    assert caught.value.code == "CELL_QUARANTINED"
    return caught.value.message


class TestCounting:
    def test_nothing_is_kept_of_a_model_that_does_not_end(self, house: House) -> None:
        assert house.quarantine.check(ROOT) == ()
        house.end(cause=Cause.CLOSED)
        house.end(cause=Cause.PARENT)
        assert house.quarantine.read_all() == ()
        assert not house.state.exists()

    def test_one_more_than_the_restarts_is_too_often(self, house: House) -> None:
        house.end(3)
        assert house.quarantine.check(ROOT) == (1_000_000.0,) * 3
        assert house.events == []
        house.end(cause=Cause.VIOLATION)
        assert _refused(house) == "the model's processes ended too often: 3 x crash, 1 x violation"
        assert house.events == [
            ModelQuarantined(correlation_id="id-1", root=ROOT, ends={"crash": 3, "violation": 1})
        ]

    def test_another_model_is_not_touched(self, house: House) -> None:
        house.end(4)
        assert house.quarantine.check(OTHER) == ()

    def test_a_model_that_may_not_be_restarted_is_at_once(self, house: House) -> None:
        house.end(restarts=0)
        _refused(house)

    def test_only_the_window_counts(self, house: House) -> None:
        house.end(3)
        house.now += 600
        house.end(3)
        assert len(house.quarantine.check(ROOT)) == 3
        house.now += 599
        house.end()
        _refused(house)

    def test_it_stays_whatever_time_goes_by_and_is_told_once(self, house: House) -> None:
        house.end(4)
        house.now += 10**7
        _refused(house)
        house.end()
        assert len(house.events) == 1

    def test_a_clock_that_was_set_back_forgets_nothing(self, house: House) -> None:
        house.end(3)
        house.now -= 500_000
        house.end()
        _refused(house)

    def test_it_is_kept_across_processes(self, house: House) -> None:
        house.end(2)
        house.quarantine = house.open()
        house.end(2)
        house.quarantine = house.open()
        _refused(house)

    def test_ends_at_once_from_many_threads_all_count(self, house: House) -> None:
        doors = [house.open() for _ in range(4)]

        def end(door: Quarantine) -> None:
            for _ in range(5):
                door.note_end(ROOT, "llama", Cause.CRASH, 60, "id-1")

        threads = [threading.Thread(target=end, args=(door,)) for door in doors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(house.quarantine.check(ROOT)) == 20

    def test_only_the_newest_ends_are_kept(self, house: House) -> None:
        house.end(4)
        house.end(100)
        ends = house.quarantine.read(ROOT).ends
        assert ends is not None
        assert len(ends.ends) == 64


class TestRelease:
    def test_a_released_model_begins_anew(self, house: House) -> None:
        house.end(4)
        house.quarantine.release(ROOT, "id-2")
        assert house.quarantine.check(ROOT) == ()
        assert house.events[-1] == ModelReleased(correlation_id="id-2", root=ROOT)
        assert not house.file.exists()

    def test_what_is_not_in_there_cannot_be_released(self, house: House) -> None:
        house.end(1)
        for root in (ROOT, OTHER):
            with pytest.raises(Misuse, match="not in quarantine"):
                house.quarantine.release(root, "id-2")
        assert house.events == []

    def test_where_the_record_fails_nothing_is_released(self, house: House) -> None:
        house.end(4)

        def fail(_event: Event) -> None:
            raise OutputUnwritable(errors.OUTPUT_UNWRITABLE, "no record")

        with pytest.raises(OutputUnwritable):
            Quarantine(house.state, fail, lambda: house.now).release(ROOT, "id-2")
        _refused(house)


class TestDamage:
    @pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[" * 10_000, b'{"schema":1}', b"x" * 20_000])
    def test_what_cannot_be_read_is_refused_until_it_is_released(self, house: House, data: bytes) -> None:
        house.end(1)
        house.file.write_bytes(data)
        assert _refused(house) == "what is kept of the model's ends cannot be read"
        house.end(1)
        assert house.file.read_bytes() == data  # kept for whoever looks into it
        assert house.quarantine.read_all() == (KeptModel(ROOT, None),)
        house.quarantine.release(ROOT, "id-2")
        assert house.quarantine.check(ROOT) == ()

    def test_a_link_is_not_followed(self, house: House, tmp_path: Path) -> None:
        house.end(1)
        (tmp_path / "elsewhere").write_bytes(house.file.read_bytes())
        house.file.unlink()
        house.file.symlink_to(tmp_path / "elsewhere")
        _refused(house)

    def test_a_pipe_is_not_waited_for(self, house: House) -> None:
        house.end(1)
        house.file.unlink()
        os.mkfifo(house.file)
        _refused(house)

    def test_a_file_that_others_may_write_is_not_believed(self, house: House) -> None:
        house.end(1)
        house.file.chmod(0o666)
        _refused(house)

    def test_other_names_in_the_directory_are_let_be(self, house: House) -> None:
        house.end(1)
        (house.file.parent / "notes.txt").touch()
        assert [kept.root for kept in house.quarantine.read_all()] == [ROOT]


class TestFullDisk:
    @pytest.fixture
    def full(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
        def fail(*_args: object, **_named: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(quarantine, "replace_file", fail)
            yield patch

    @pytest.mark.usefixtures("full")
    def test_a_model_that_did_not_end_yet_starts(self, house: House) -> None:
        assert house.quarantine.check(ROOT) == ()

    @pytest.mark.usefixtures("full")
    def test_an_end_that_cannot_be_kept_closes_the_door_and_says_so(self, house: House) -> None:
        house.end(1)
        assert _refused(house) == "the model's last end cannot be written down: no space left on device"
        assert house.quarantine.check(OTHER) == ()

    def test_it_opens_again_when_there_is_room_and_nothing_was_forgotten(
        self, house: House, full: pytest.MonkeyPatch
    ) -> None:
        house.end(3)
        full.undo()
        assert len(house.quarantine.check(ROOT)) == 3
        house.end(1)
        _refused(house)

    def test_the_end_that_was_too_much_is_told_when_it_could_be_written(
        self, house: House, full: pytest.MonkeyPatch
    ) -> None:
        house.end(4)
        assert house.events == []
        full.undo()
        assert "too often" in _refused(house)
        assert [event.kind for event in house.events] == ["model.quarantined"]

    def test_a_release_that_cannot_be_written_says_so(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        house.end(4)

        def fail(*_args: object) -> None:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

        monkeypatch.setattr(quarantine, "sync_directory", fail)
        with pytest.raises(OutputUnwritable, match="read-only file system"):
            house.quarantine.release(ROOT, "id-2")


class TestRecordThatRefuses:
    @pytest.fixture
    def refuses(self, house: House) -> list[bool]:
        """Whose record takes nothing as long as the list holds something."""
        refuses = [True]

        def emit(event: Event) -> None:
            if refuses:
                raise errors.RecordUnwritable(errors.RECORD_DISK_FULL, "the disk is full")
            house.events.append(event)

        house.open = lambda: Quarantine(house.state, emit, lambda: house.now)  # type: ignore[method-assign]
        house.quarantine = house.open()
        return refuses

    def test_it_is_told_of_the_quarantine_as_soon_as_it_listens(self, house: House, refuses: list[bool]) -> None:
        house.end(3)
        with pytest.raises(errors.RecordUnwritable):
            house.end()
        house.quarantine = house.open()  # the next process has to
        with pytest.raises(errors.RecordUnwritable):
            house.quarantine.check(ROOT)
        refuses.clear()
        for _ in range(2):
            assert "too often" in _refused(house)
        assert house.events == [ModelQuarantined(correlation_id="id-1", root=ROOT, ends={"crash": 4})]

    def test_it_is_told_of_the_quarantine_before_the_release(self, house: House, refuses: list[bool]) -> None:
        house.end(3)
        with pytest.raises(errors.RecordUnwritable):
            house.end()
        refuses.clear()
        house.open().release(ROOT, "id-2")
        assert [event.kind for event in house.events] == ["model.quarantined", "model.released"]

    def test_it_is_told_twice_rather_than_never(
        self, house: House, refuses: list[bool], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house.end(3)
        with pytest.raises(errors.RecordUnwritable):
            house.end()
        refuses.clear()

        def fail(*_args: object, **_named: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(quarantine, "replace_file", fail)
            _refused(house)
        _refused(house)
        _refused(house)
        assert [event.kind for event in house.events] == ["model.quarantined"] * 2


class TestFile:
    def test_what_is_written_is_read(self) -> None:
        ends = Ends("llama", (End(1, Cause.CRASH), End(2, Cause.WALL_TIME)), 2, "id-1")
        assert parse_ends(render_ends(ends)) == ends

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b'"schema":1', b'"schema":2'),
            (b'"schema":1', b'"schema":true'),
            (b'"llama"', b"5"),
            (b'"llama"', b'"\\u202e"'),
            (b'"crash"', b'"fire"'),
            (b'"crash"', b"[]"),
            (b'"crash"', b'"crash",1'),
            (b"[1,", b"[-1,"),
            (b"[1,", b"[true,"),
            (b"[1,", b"[253402300800,"),
            (b'"quarantined_at":2', b'"quarantined_at":"2"'),
            (b'"quarantined_at":2', b'"quarantined_at":2,"x":1'),
            (b'"quarantined_at":2', b'"quarantined_at":2,"untold":5'),
            (b'"quarantined_at":2', b'"quarantined_at":2,"untold":"\\u202e"'),
        ],
    )
    def test_anything_else_is_not(self, old: bytes, new: bytes) -> None:
        data = render_ends(Ends("llama", (End(1, Cause.CRASH),), 2))
        assert old in data
        with pytest.raises(EndsUnreadable):
            parse_ends(data.replace(old, new))


def test_a_lock_that_somebody_keeps_is_not_waited_for_for_ever(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that was stopped while it had it, say. The model waits; whoever called it does not."""
    monkeypatch.setattr(quarantine, "_LOCK_SECONDS", 0.0)
    house.end()
    descriptor = os.open(house.state / "quarantine" / "lock", os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        house.end()
        assert "busy" in _refused(house)
        with pytest.raises(OutputUnwritable):
            house.quarantine.release(ROOT, "c")
    finally:
        os.close(descriptor)
    assert len(house.quarantine.check(ROOT)) == 2
