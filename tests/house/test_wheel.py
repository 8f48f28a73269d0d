"""The suite tests what a user installs, not the source tree."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import ostiary

REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_installed_wheel_is_what_is_tested() -> None:
    home = Path(ostiary.__file__).resolve()
    assert home.is_relative_to(Path(sysconfig.get_path("purelib")).resolve())
    assert not home.is_relative_to(REPOSITORY / "src")


def test_the_wheel_holds_every_source_file_and_nothing_else() -> None:
    source = REPOSITORY / "src" / "ostiary"
    installed = Path(ostiary.__file__).parent
    expected = {p.relative_to(source) for p in source.rglob("*") if p.is_file() and p.suffix != ".pyc"}
    found = {p.relative_to(installed) for p in installed.rglob("*") if p.is_file() and p.suffix != ".pyc"}
    assert found == expected
    assert all((source / p).read_bytes() == (installed / p).read_bytes() for p in expected)


def test_importing_and_inspecting_import_no_engine(tmp_path: Path) -> None:
    program = """
import sys
import ostiary
from ostiary.testing import HostilePublisher
from ostiary.cli.main import main
from pathlib import Path
model = HostilePublisher(Path(sys.argv[1])).publish_honest()
status = main(["inspect", "--json", str(model)])
engines = {"mlx", "mlx_lm", "numpy", "transformers", "tokenizers", "safetensors", "torch"} & set(sys.modules)
sys.exit(f"imported {engines}" if engines else status)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_help_imports_no_room() -> None:
    program = """
import sys
from ostiary.cli.main import main
try:
    main(["--help"])
finally:
    rooms = sorted(m for m in sys.modules if m.startswith(("ostiary.intake", "ostiary.record", "jinja2", "crypto")))
    sys.stderr.write(repr(rooms))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stderr == "[]"
