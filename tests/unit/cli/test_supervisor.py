"""What a supervisor that waits for the server hears."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ostiary.cli.serve_output import Output
from ostiary.cli.supervisor import tell_supervisor
from ostiary.errors import OutputUnwritable


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listening.settimeout(30)
    monkeypatch.chdir(tmp_path)
    listening.bind("told")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "told"))
    return listening


def test_it_is_told(supervisor: socket.socket) -> None:
    with supervisor:
        tell_supervisor("READY=1")
        assert supervisor.recv(64) == b"READY=1"


def test_an_abstract_address_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(30)
        listening.bind(f"\0{tmp_path}")
        monkeypatch.setenv("NOTIFY_SOCKET", f"@{tmp_path}")
        tell_supervisor("READY=1")
        assert listening.recv(64) == b"READY=1"


@pytest.mark.parametrize("place", ["", "nowhere", "/no/such/socket", "vsock:2:3"])
def test_nobody_to_tell_is_no_failure(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", place)
    tell_supervisor("READY=1")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_it_is_told_though_the_file_that_results_go_to_is_full(
    supervisor: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it ends a server that does its work."""
    output = Output(is_debug=False)
    with supervisor, Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        with pytest.raises(OutputUnwritable):
            output.told().on_listening("http://127.0.0.1:1", 1)
        assert supervisor.recv(64) == b"READY=1"
        output.tell_end()
