"""Commands come and go: each opens the record, adds an entry and closes it, while others do the same or read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ostiary.record.begin import open_log, open_reader

_PROGRAM = """
import sys
from pathlib import Path
from ostiary.record.begin import open_log
from ostiary.record.events import ModelFailed
for _ in range(int(sys.argv[2])):
    with open_log(Path(sys.argv[1])) as log:
        log.append(ModelFailed(correlation_id="x", name="m", code="HOUSE_INTERNAL"))
"""


def test_nobody_is_turned_away_by_another_who_opens_or_closes(tmp_path: Path) -> None:
    with open_log(tmp_path):
        pass
    with open_reader(tmp_path) as reader:
        before = len(list(reader.read_rows()))
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path), "20"]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    while any(writer.poll() is None for writer in writers):
        with open_reader(tmp_path) as reader:
            reader.read_latest_checkpoint()
    for writer in writers:
        _, told = writer.communicate(timeout=60)
        assert writer.returncode == 0, told
    with open_reader(tmp_path) as reader:
        assert len(list(reader.read_rows())) == before + 60
