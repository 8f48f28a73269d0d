"""Commands come and go: each opens the record, adds an entry and closes it, while others do the same or read."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from record_tools import verify

from ostiary.errors import RecordUnwritable
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


@pytest.mark.parametrize("opener", [open_log, open_reader])
def test_who_was_forked_from_a_process_that_had_it_open_is_refused(tmp_path: Path, opener: object) -> None:
    """SQLite would believe its parent's locks to be its own. Where the record was closed before, all is well."""

    def in_a_child() -> int:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if not pid:
            code = 9
            try:
                opener(tmp_path).close()  # type: ignore[operator]
                code = 0
            except RecordUnwritable as error:
                code = 1 if "forked" in error.message else 2
            finally:
                os._exit(code)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    with open_log(tmp_path):
        assert in_a_child() == 1
    assert in_a_child() == 0
