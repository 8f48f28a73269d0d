"""Writers that are killed, and writers that write at once. `make soak-record` kills thousands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from record_tools import verify

from ostiary.record.begin import open_reader

HERE = Path(__file__).parent


def test_killed_writers_lose_nothing_acknowledged() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(HERE / "soak.py"), "--rounds", "40"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    kills, acknowledged = (int(word) for word in done.stdout.split() if word.isdigit())
    assert kills == 40
    # A writer that is always killed before it wrote proves nothing.
    assert acknowledged > 100


WRITER = """
import sys, threading
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from record_tools import make_event
from ostiary.record.begin import open_log
first = int(sys.argv[3])
told = []
with open_log(Path(sys.argv[1])) as log:
    def write(thread):
        for i in range(25):
            number = first + thread * 100 + i
            told.append((log.append(make_event(number)), number))
    threads = [threading.Thread(target=write, args=(n,)) for n in range(6)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
for index, number in told:
    print(index, number)
"""


def test_processes_and_threads_write_at_once(tmp_path: Path) -> None:
    # They begin the record at once, too.
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(HERE.parent), str(first)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in (10_000, 20_000, 30_000)
    ]
    told: dict[int, int] = {}
    for writer in writers:
        out, err = writer.communicate()
        assert writer.returncode == 0, err
        told.update((int(line.split()[0]), int(line.split()[1])) for line in out.splitlines())
    assert len(told) == 3 * 6 * 25
    assert verify(tmp_path).size == 451
    with open_reader(tmp_path) as reader:
        for index, number in told.items():
            assert reader.read_entry(index).data["name"] == f"model-{number}"
