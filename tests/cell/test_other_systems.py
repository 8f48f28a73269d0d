"""As far as Linux can show it: cells where processes have no descriptors and nobody can look into them."""

from __future__ import annotations

from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY, Events, last_reply, open_cell

from ostiary.cell import fork_server
from ostiary.cell.fork_servers import find_fork_server
from ostiary.errors import SandboxViolation, WorkerCrashed, WorkerSilent
from ostiary.record.events import CellEnded

pytestmark = LINUX_ONLY

SCRIPT = str(Path(__file__).parent / "without_process_descriptors.py")


@pytest.fixture(autouse=True)
def _no_descriptors_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_server, "open_process", lambda _pid: None)


@pytest.mark.parametrize("forks", [True, False])
def test_a_cell_answers_and_is_closed(forks: bool) -> None:
    events = Events()
    with open_cell(events, script=SCRIPT, forks=forks) as cell:
        assert find_fork_server(cell._program).process is None
        assert cell._process is not None
        assert cell._process._birth.process is None
        assert last_reply(cell.call("echo", {"a": 1})).body == {"a": 1}
        usage = cell.read_usage()
        assert (usage.memory_bytes, usage.requests) == (None, 1)
    assert events.kinds == ["cell.started", "cell.ended"]
    assert events.causes == ["closed"]


@pytest.mark.parametrize(
    ("how", "error", "cause"),
    [
        ("abort", WorkerCrashed, "crash"),
        ("exit", WorkerCrashed, "crash"),
        ("forbidden", SandboxViolation, "violation"),
    ],
)
def test_a_worker_that_ends_is_noticed_and_started_again(how: str, error: type[Exception], cause: str) -> None:
    events = Events()
    with open_cell(events, script=SCRIPT) as cell:
        with pytest.raises(error):
            list(cell.call("end", {"how": how, "status": 5}))
        assert events.causes == [cause]
        assert last_reply(cell.call("echo")).body == {}
    assert events.causes == [cause, "closed"]


def test_a_worker_that_lets_nothing_go_is_ended() -> None:
    events = Events()
    with open_cell(events, script=SCRIPT) as cell:
        with pytest.raises(WorkerSilent):
            list(cell.call("hang", deadline_seconds=0.1))
        assert events.wait_for(CellEnded).cause == "wall_time"


def test_answers_that_came_before_the_end_are_not_lost() -> None:
    events = Events()
    with open_cell(events, "hostile", script=SCRIPT) as cell:
        assert last_reply(cell.call("do", {"what": "answer and exit"})).body == {"last": "words"}
        assert events.wait_for(CellEnded).requests == 1
    assert events.causes == ["crash"]


def test_the_fork_server_ends_when_it_is_closed(tmp_path: Path) -> None:
    with open_cell(Events(), script=SCRIPT) as cell:
        server = find_fork_server(cell._program)
        directory = Path(server._directory)
    server.close()
    assert not directory.exists()
