"""Commands come and go: each opens the record, adds an entry and closes it, while others do the same or read."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from record_tools import verify

from ostiary.errors import RECORD_UNWRITABLE, RecordUnwritable
from ostiary.record.begin import open_log, open_reader
from ostiary.record.events import ModelFailed

_PROGRAM = """
import sys
from pathlib import Path
from ostiary.record.begin import open_log
from ostiary.record.events import ModelFailed
for _ in range(int(sys.argv[2])):
    with open_log(Path(sys.argv[1])) as log:
        log.append(ModelFailed(correlation_id="x", name="m", code="HOUSE_INTERNAL"))
"""


@contextmanager
def writers(state: Path, *, rounds: int = 20) -> Iterator[list[subprocess.Popen[str]]]:
    command = [sys.executable, "-c", _PROGRAM, str(state), str(rounds)]
    with ExitStack() as stack:
        yield [stack.enter_context(subprocess.Popen(command, stderr=subprocess.PIPE, text=True)) for _ in range(3)]


def check_all_succeed(running: list[subprocess.Popen[str]]) -> None:
    failures = [told for writer in running for _, told in [writer.communicate(timeout=60)] if writer.returncode]
    assert not failures, failures[0]


def test_nobody_is_turned_away_by_another_who_opens_or_closes(tmp_path: Path) -> None:
    with open_log(tmp_path):
        pass
    with open_reader(tmp_path) as reader:
        before = len(list(reader.read_rows()))
    with writers(tmp_path) as running:
        while any(writer.poll() is None for writer in running):
            with open_reader(tmp_path) as reader:
                reader.read_latest_checkpoint()
        check_all_succeed(running)
    assert verify(tmp_path).size == before + 60


def test_a_reader_in_the_process_that_writes_takes_nobody_s_locks(tmp_path: Path) -> None:
    """To close a descriptor of the database would let go of all locks that SQLite holds for this process."""
    with open_log(tmp_path) as log:
        with writers(tmp_path) as running:
            written = 0
            while any(writer.poll() is None for writer in running):
                with open_reader(tmp_path) as reader:
                    reader.read_latest_checkpoint()
                log.append(ModelFailed(correlation_id="x", name="m", code="HOUSE_INTERNAL"))
                written += 1
            check_all_succeed(running)
        size = log.append(ModelFailed(correlation_id="x", name="m", code="HOUSE_INTERNAL")) + 1
    assert size == 1 + 60 + written + 1
    assert verify(tmp_path).size == size


def locks_of_this_process() -> int:
    return sum(
        f" {os.getpid()} " in line and "POSIX" in line for line in Path("/proc/locks").read_text().splitlines()
    )


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="tells locks on Linux only")
def test_opening_and_closing_leaves_the_locks_of_others_in_the_process(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append(ModelFailed(correlation_id="x", name="m", code="HOUSE_INTERNAL"))
        held = locks_of_this_process()
        assert held
        for _ in range(2):
            with open_reader(tmp_path):
                pass
            with open_log(tmp_path):
                pass
        assert locks_of_this_process() == held
    assert locks_of_this_process() == 0


def in_a_child(act: Callable[[], object]) -> int:
    """0: done; 1: refused as forked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        code = 9
        try:
            act()
            code = 0
        except RecordUnwritable as error:
            code = 1 if "forked" in error.message else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


EVENT = ModelFailed(correlation_id="x", name="m", code="HOUSE_INTERNAL")


def test_a_forked_process_opens_its_own_while_the_other_goes_on(tmp_path: Path) -> None:
    """SQLite would believe its parent's locks to be its own: the parent has none at the moment of the fork."""

    def write() -> None:
        with open_log(tmp_path) as own:
            assert locks_of_this_process() or sys.platform != "linux"
            own.append(EVENT)

    with open_log(tmp_path) as log:
        for _ in range(3):
            log.append(EVENT)
            assert in_a_child(write) == 0
        log.append(EVENT)
        assert in_a_child(lambda: open_reader(tmp_path).close()) == 0
        log.sign_checkpoint()
    assert verify(tmp_path).size == 1 + 3 + 3 + 1


def test_who_was_forked_in_the_middle_of_writing_or_reading_is_refused(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append(EVENT)
        with log.change():
            assert in_a_child(lambda: open_log(tmp_path)) == 1
        with open_reader(tmp_path):
            assert in_a_child(lambda: open_reader(tmp_path)) == 1
        assert in_a_child(lambda: open_log(tmp_path).close()) == 0
        log.append(EVENT)
    assert verify(tmp_path).size == 3


def test_a_record_that_cannot_be_taken_up_after_a_fork_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_log(tmp_path) as log:
        log.append(EVENT)
        monkeypatch.setattr("ostiary.record.store.connect", _refuse)
        assert in_a_child(int) == 0
        monkeypatch.undo()
        with pytest.raises(RecordUnwritable):
            log.append(EVENT)
        assert in_a_child(int) == 0
        assert log.append(EVENT) == 2


def _refuse(*_: object, **__: object) -> NoReturn:
    raise RecordUnwritable(RECORD_UNWRITABLE, "no")
