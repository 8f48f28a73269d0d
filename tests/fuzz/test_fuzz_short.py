"""Every harness, for a fixed number of runs from a fixed seed, after the inputs that once crashed it."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
HARNESSES = sorted(path.stem.removeprefix("fuzz_") for path in HERE.glob("fuzz_*.py"))
RUNS = 8_000
FEWER_RUNS = {"function_files": 4_000, "graphs": 1_500}
"""Of harnesses whose runs take longer: they read whole graphs, or ask a worker."""

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is not installed"),
]


def _run(name: str, directory: Path, *arguments: str) -> None:
    command = [sys.executable, str(HERE / f"fuzz_{name}.py"), f"-artifact_prefix={directory}/", *arguments]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        left = [path.read_bytes()[:2_000] for path in sorted(directory.iterdir()) if path.is_file()]
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        pytest.fail(f"fuzz_{name}.py ended with {done.returncode}; input {left!r}\n{tail}", pytrace=False)


@pytest.mark.parametrize("name", HARNESSES)
def test_the_harness_finds_nothing(name: str, tmp_path: Path) -> None:
    new = tmp_path / "corpus"  # the first directory is written to, so it is never one of ours
    new.mkdir()
    known = HERE / "regressions" / name
    directories = [str(new), *([str(known)] if known.is_dir() else [])]
    limits = ["-max_len=4096", "-len_control=0", "-timeout=20", "-rss_limit_mb=2048", "-verbosity=0"]
    _run(name, tmp_path, f"-runs={FEWER_RUNS.get(name, RUNS)}", "-seed=1", *limits, *directories)


@pytest.mark.parametrize(
    "path",
    sorted(path for path in (HERE / "regressions").glob("*/*") if path.is_file()),
    ids=lambda path: path.name,
)
def test_every_kept_input_has_a_harness(path: Path) -> None:
    assert path.parent.name in HARNESSES
