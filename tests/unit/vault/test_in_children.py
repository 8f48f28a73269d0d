"""A child that is forked while a model is held has nothing of it, and takes nothing from its parent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from vault_tools import linux_only

import ostiary

pytestmark = linux_only

_PROGRAM = """
import os, sys
from pathlib import Path
from ostiary.core.tickets import FileEntry, FileKind
from ostiary.vault import hold_by_lease, hold_in_memory
from ostiary.vault.place import Place

def count():
    return len(os.listdir("/proc/self/fd"))

before = count()
place = Place(sys.argv[1])
entry = FileEntry("weights", 7, "", FileKind.SAFETENSORS)
holds = [hold_in_memory.hold_in_memory(place, entry, lambda: None)]
leased = hold_by_lease.hold_by_lease(place, entry, lambda: None)
if leased is not None:  # this file system knows leases
    holds.append(leased)
assert count() - before >= 2
pid = os.fork()
if pid == 0:
    left = count() - before
    for one in (*holds, place):
        one.close()
    os._exit(left)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert all(hold.has_held() and os.pread(hold.descriptor, 9, 0) == b"weights" for hold in holds)
os.close(place.open_file(entry))
"""


def test_a_child_has_no_descriptor_of_a_model_that_its_parent_holds(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"weights")
    (tmp_path / "weights").chmod(0o644)
    source = str(Path(ostiary.__file__).parents[1])
    subprocess.run([sys.executable, "-c", _PROGRAM, tmp_path], env={**os.environ, "PYTHONPATH": source}, check=True)
