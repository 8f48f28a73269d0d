"""Fuzzes every parser for a while: each tests/fuzz/fuzz_*.py in turn, one process at a time.

python tools/fuzz.py --seconds 300
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

FUZZ = Path(__file__).resolve().parent.parent / "tests" / "fuzz"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300, help="how long each harness runs")
    parser.add_argument("--only", default="", help="only harnesses with this in their name")
    options = parser.parse_args()
    failed = []
    for harness in sorted(FUZZ.glob(f"fuzz_*{options.only}*.py")):
        print(f"== {harness.stem}, {options.seconds} s", flush=True)
        with tempfile.TemporaryDirectory() as artifacts:
            command = [sys.executable, str(harness), f"-max_total_time={options.seconds}", "-rss_limit_mb=2048"]
            command += ["-timeout=20", f"-artifact_prefix={artifacts}/"]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # noqa: S603
            print("\n".join(done.stderr.splitlines()[-3:]))
            if done.returncode:
                failed.append(harness.stem)
                for artifact in Path(artifacts).iterdir():
                    print(f"{artifact.name}: {artifact.read_bytes().hex()}")
                print(done.stderr[-4000:])
    print(f"failed: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
