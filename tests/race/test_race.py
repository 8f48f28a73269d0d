"""Programs that alter a model's files while it is opened get no byte past the vault. `make soak-vault`: thousands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from vault_tools import linux_only

HERE = Path(__file__).parent


@linux_only
def test_what_comes_out_is_what_was_verified(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(HERE / "soak.py"), "--rounds", "300", "--work", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    counts = {what.strip(): int(count) for count, what in re.findall(r"(\d+) ([a-z ]+)", done.stdout)}
    assert counts["rounds"] == 300
    # Writers that always or never came too late prove nothing.
    assert counts["finished"] > 20, done.stdout
    assert counts["refused"] > 10, done.stdout
