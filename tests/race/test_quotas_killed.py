"""`kill -9` at any place of a process that counts, synchronises and writes its file anew without end: nothing that it
told is forgotten, and nothing is damaged.
"""

from __future__ import annotations

import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest

from ostiary.admission.accounts import DayUsage
from ostiary.admission.usage_file import read_usage

PROGRAM = """
import sys
import threading
from pathlib import Path

from ostiary.admission import quotas as module
from ostiary.admission.tenants import NO_LIMITS
from ostiary.core.callers import ANYBODY

module.MAX_JOURNAL_BYTES = 3_000
quotas = module.open_quotas(NO_LIMITS, Path(sys.argv[1]))


def flush():
    while True:
        quotas.flush()


threading.Thread(target=flush, daemon=True).start()
while True:
    with quotas.counting(ANYBODY):
        quotas.reserve(ANYBODY, 7).settle(5, 2)
    print("told", flush=True)
"""


def _list(used: DayUsage) -> tuple[int, int, int, int]:
    return used.requests, used.prompt_tokens, used.answer_tokens, used.cut_tokens


@pytest.mark.parametrize("lines", [(1, 2, 40), (150, 331, 700)])
def test_what_was_told_is_there(tmp_path: Path, lines: tuple[int, ...]) -> None:
    told = 0
    for lives, until in enumerate(lines, 1):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        for _ in range(until):
            assert process.stdout.readline() == "told\n"
        process.kill()
        told += until + process.stdout.read().count("told\n")
        process.stdout.close()
        process.wait()
        usage = read_usage(tmp_path)
        assert usage.damaged == 0
        used = reduce(lambda one, other: one.add(*_list(other)), usage.days.values())
        held = sum(tokens for _, tokens in usage.open.values())
        assert told <= used.requests <= told + 2 * lives, "one may have been under way, and one not yet told"
        assert told * 3 <= used.prompt_tokens <= used.requests * 3
        assert used.answer_tokens * 3 == used.prompt_tokens * 2
        assert (used.cut_tokens + held) % 7 == 0
        assert used.prompt_tokens // 3 + (used.cut_tokens + held) // 7 <= used.requests
