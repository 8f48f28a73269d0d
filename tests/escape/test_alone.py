"""Each attempt against the wall with some of its layers left out, so that each layer shows what it is worth.

Three claims for every attempt, for a cell of root's and for one of an ordinary user's:
- without the layers that stop it, it gets out: it is a real one;
- with any one group of them, and none of the others, it is stopped: no layer leans on another;
- without one layer of such a group it gets out again: leaving a layer out is noticed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the wall of Linux", allow_module_level=True)

from escape import every  # noqa: F401  registers the attempts
from escape.attempt import ATTEMPTS, DONE, Attempt, Group
from escape.outside import plant

import ostiary
from ostiary.cell.profile import Layer

USERS = {"root": 0, "user": os.geteuid() or 65534}
WHO = [who for who in USERS if who == "user" or os.geteuid() == 0]
WAYS = [(who, name) for who in WHO for name, attempt in ATTEMPTS.items() if who in attempt.stopped_by]
EXIT_OF_A_PROGRAM = 99


class Cage:
    """`cage.py` as one user, for as many attempts as one likes."""

    def __init__(self, directory: Path, user: int, planted: dict[str, Any]) -> None:
        self.secret = planted["secret"]
        self._prepared = _start("prepared", directory, user, planted)
        self._plain = _start("plain", directory, user, planted)
        self.layers = frozenset(Layer(name) for name in _read(self._prepared)["layers"])
        assert self.layers == frozenset(_read(self._plain)["layers"])

    def try_out(self, attempt: Attempt, without: Group) -> dict[str, Any]:
        process = self._plain if Layer.NAMESPACES in without else self._prepared
        assert process.stdin is not None
        order = {"attempt": attempt.name, "without": sorted(without)}
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        return _read(process)

    def got_out(self, came_of_it: dict[str, Any]) -> bool:
        """By what it brought, by the program that it became, or by the file that it left."""
        said = came_of_it["said"]
        assert not any(word.startswith(("X", "T")) for word in said), said
        evidence = [word[1:] for word in said if word.startswith("R")]
        return (
            DONE.decode() in evidence
            or any(self.secret in text for text in evidence)
            or came_of_it["status"] == EXIT_OF_A_PROGRAM
            or any(name.startswith("core") for name in came_of_it["made"])
        )

    def close(self) -> None:
        for process in (self._prepared, self._plain):
            process.communicate(timeout=30)


def _start(kind: str, directory: Path, user: int, planted: dict[str, Any]) -> subprocess.Popen[str]:
    program = str(Path(__file__).with_name("cage.py"))
    return subprocess.Popen(
        [sys.executable, program, str(directory), str(user), json.dumps(planted), kind],
        env={
            "PYTHONPATH": f"{Path(ostiary.__file__).parents[1]}:{Path(__file__).parents[1]}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OSTIARY_ESCAPE_SECRET": planted["secret"],
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _read(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    answer: dict[str, Any] = json.loads(process.stdout.readline())
    return answer


@pytest.fixture(scope="module")
def cages() -> Iterator[Mapping[str, Cage]]:
    with contextlib.ExitStack() as stack:
        yield {who: stack.enter_context(_open_cage(USERS[who])) for who in WHO}


@contextlib.contextmanager
def _open_cage(user: int) -> Iterator[Cage]:
    directory = Path(tempfile.mkdtemp(prefix="ostiary-escape-", dir="/tmp"))
    try:
        with plant(directory, user) as planted:
            cage = Cage(directory, user, planted)
            yield cage
            cage.close()
    finally:
        shutil.rmtree(directory)


def _is_there(attempt: Attempt, came_of_it: dict[str, Any]) -> bool:
    """Whether the kernel has at all what the attempt uses."""
    said = "".join(came_of_it["said"])
    return not (said.startswith("E") and said[1:].isdigit() and int(said[1:]) in attempt.missing)


@pytest.mark.parametrize(("who", "name"), WAYS, ids=str)
def test_each_layer_stops_alone_what_it_says_and_is_missed(who: str, name: str, cages: Mapping[str, Cage]) -> None:
    attempt, cage = ATTEMPTS[name], cages[who]
    mentioned = attempt.mentioned(who) & cage.layers
    groups = [group for group in attempt.stopped_by[who] if group <= cage.layers]
    assert groups, "no layer here stops it"

    whole = cage.try_out(attempt, frozenset())
    assert not cage.got_out(whole), whole
    if attempt.call is not None:
        assert whole["denied"] == attempt.call, whole

    none = cage.try_out(attempt, mentioned)
    is_real = _is_there(attempt, none) and (attempt.needs is None or _has_capability(attempt.needs))
    assert cage.got_out(none) or not is_real, none
    for group in groups:
        alone = cage.try_out(attempt, mentioned - group)
        assert not cage.got_out(alone), (group, alone)
        for layer in group if len(group) > 1 else ():
            weaker = cage.try_out(attempt, (mentioned - group) | {layer})
            assert cage.got_out(weaker), (group - {layer}, weaker)
    if not is_real:
        pytest.skip("it is stopped; but this system has nothing to get out by")


@pytest.mark.parametrize("who", WHO)
def test_every_layer_is_the_last_one_for_some_attempt(who: str, cages: Mapping[str, Cage]) -> None:
    """So that leaving any of them out makes the test above fail."""
    attempts = [attempt for attempt in ATTEMPTS.values() if who in attempt.stopped_by]
    alone = set(chain.from_iterable(g for a in attempts for g in a.stopped_by[who] if len(g) == 1))
    assert alone >= cages[who].layers


def test_there_are_enough_attempts() -> None:
    assert len(ATTEMPTS) >= 150


def _has_capability(number: int) -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    effective = next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    return bool(effective >> number & 1)
