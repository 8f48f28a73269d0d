"""Shared by every test: the attack files made whole, and a state directory of its own for each."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from attack_cases.base import CORPUS
from hypothesis import HealthCheck, settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As where a shell starts the suite in the background; tests send themselves and others what Ctrl-C sends.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long a machine takes to think of examples says nothing of the code.
settings.register_profile("ostiary", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ostiary")


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The attack corpus with what git cannot hold: links, a pipe, hard links. Never read it recursively."""
    place = tmp_path_factory.mktemp("attacks") / "corpus"
    shutil.copytree(CORPUS, place, symlinks=True)
    for node in json.loads((CORPUS / "special.json").read_text()):
        path = place / node["path"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if node["kind"] == "symlink":
            path.symlink_to(node["target"])
        elif node["kind"] == "fifo":
            os.mkfifo(path)
        else:
            os.link(place / node["target"], path)
    return place


@pytest.fixture(autouse=True)
def state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test writes to the user's own record."""
    state = tmp_path / "ostiary-state"
    monkeypatch.setenv("OSTIARY_STATE_DIR", str(state))
    return state
