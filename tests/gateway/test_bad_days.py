"""`ostiary serve` as a program on bad days: crowds, processes that die, disks that are full."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY, PATIENCE
from load_client import Heard, ask, render_request
from load_servers import FAKE_SERVER, RunningServer, serving_ostiary
from process_looks import count_descriptors, is_running, list_below, list_workers
from quota_tools import sum_usage

from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import HostilePublisher, sign_model

pytestmark = LINUX_ONLY

CROWD = 1_000
SETTINGS = '[server]\nhead_time = "10 min"\nbody_time = "10 min"\nidle_time = "10 min"\n'
"""Nobody is sent away for being slow while a test looks."""


@contextmanager
def serving(folder: Path, *names: str, milliseconds: int = 0, settings: str = SETTINGS) -> Iterator[RunningServer]:
    """One model under each of the names."""
    model = HostilePublisher(folder).publish_honest()
    key = sign_model(model)
    (folder / "ostiary.toml").write_text(settings, encoding="utf-8")
    arguments = [*(str(model) for _ in names), "--key", str(key), "--state", str(folder / "state")]
    for name in names:
        arguments += ["--name", name]
    with serving_ostiary(
        *arguments, "--config", str(folder / "ostiary.toml"), fake_milliseconds=milliseconds
    ) as server:
        yield server


def completion(words: int, *, stream: bool, model: str = "one") -> dict[str, object]:
    """What is asked for is said again by the engine of these tests: the right answer is known."""
    asked = {"model": model, "prompt": spell(words), "max_tokens": words, "stream": stream}
    return {**asked, "stream_options": {"include_usage": True}} if stream else asked


def spell(words: int) -> str:
    return " ".join(f"word{number}" for number in range(words))


def check(heard: Heard, words: int) -> None:
    assert not heard.problem, heard
    assert (heard.status, heard.text) == (200, spell(words))
    assert (heard.prompt_tokens, heard.completion_tokens) == (words, words)


def ask_both_ways(server: RunningServer, words: int = 7) -> None:
    for stream in (False, True):
        check(asyncio.run(ask(server.port, completion(words, stream=stream), server.key, seconds=PATIENCE)), words)


def wait_for(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    """For a test that holds the other ends of a crowd's connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CROWD + 400
    if hard != resource.RLIM_INFINITY and hard < 2 * wanted:
        pytest.skip("the system lets nobody have so many connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_descriptors")
def test_a_thousand_who_ask_nothing_or_half_leave_others_unharmed(tmp_path: Path) -> None:
    with serving(tmp_path, "one") as server, ExitStack() as crowd:
        ask_both_ways(server)
        before = count_descriptors(server.process.pid)  # of those who asked some may linger for a moment
        whole = render_request(completion(50, stream=True), server.key)
        sent = [b"", whole[: whole.index(b"host")], whole[:-40]]
        for number in range(CROWD):
            one = crowd.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE))
            one.sendall(sent[number % len(sent)])
        wait_for(lambda: count_descriptors(server.process.pid) >= before + CROWD - 4)
        for words in range(1, 11):
            ask_both_ways(server, words)
        assert count_descriptors(server.process.pid) >= before + CROWD - 4, "they are still there"
        crowd.close()
        wait_for(lambda: count_descriptors(server.process.pid) <= before + 2)
        ask_both_ways(server)
        assert server.stop() == 0
        endings = read_kinds(tmp_path / "state")
        assert endings.count("request.answered") == 24
        assert {kind for kind in endings if kind.startswith("request.")} == {"request.answered"}


def test_a_tenant_that_holds_back_long_bodies_leaves_room_to_others(tmp_path: Path) -> None:
    with serving(tmp_path, "one") as server, ExitStack() as crowd:
        command = [sys.executable, "-m", "ostiary", "keys", "create", "greedy", "--state", str(tmp_path / "state")]
        greedy = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
        long = render_request({"model": "one", "prompt": "x" * (7 << 20)}, greedy)[:2_000]
        begun = [
            crowd.enter_context(socket.create_connection(("127.0.0.1", server.port), PATIENCE)) for _ in range(40)
        ]
        for one in begun:
            one.sendall(long)
        refused = asyncio.run(
            ask(server.port, {"model": "one", "prompt": "x" * (7 << 20)}, greedy, seconds=PATIENCE)
        )
        assert (refused.status, refused.code) == (503, "GATEWAY_BUSY")
        for stream in (False, True):
            for key in (greedy, server.key):
                check(asyncio.run(ask(server.port, completion(5, stream=stream), key, seconds=PATIENCE)), 5)
        other = asyncio.run(ask(server.port, {"model": "one", "prompt": "x" * (7 << 20)}, server.key))
        assert (other.status, other.code) == (413, "CONTRACT_TOO_LONG"), "received, and judged"


def test_two_hundred_who_come_at_once_are_all_answered(tmp_path: Path) -> None:
    async def come(server: RunningServer) -> list[Heard]:
        bodies = [completion(1 + number % 9, stream=number % 2 == 0) for number in range(200)]
        return await asyncio.gather(*(ask(server.port, body, server.key, seconds=4 * PATIENCE) for body in bodies))

    with serving(tmp_path, "one") as server:
        for number, heard in enumerate(asyncio.run(come(server))):
            check(heard, 1 + number % 9)
        assert server.stop() == 0
        assert read_kinds(tmp_path / "state").count("request.answered") == 200


def test_a_process_that_is_killed_ends_its_own_streams_only_and_the_next_request_is_answered(
    tmp_path: Path,
) -> None:
    words, streams = 50, 4

    async def kill_one(server: RunningServer) -> tuple[list[Heard], list[Heard]]:
        heard = {name: [Heard() for _ in range(streams)] for name in ("one", "two")}
        tasks = [
            asyncio.create_task(
                ask(server.port, completion(words, stream=True, model=name), server.key, heard=each)
            )
            for name, all_of_it in heard.items()
            for each in all_of_it
        ]
        while any(each.events == 0 for all_of_it in heard.values() for each in all_of_it):
            await asyncio.sleep(0.01)
        os.kill(list_workers(server.process.pid)[0], signal.SIGKILL)
        await asyncio.gather(*tasks)
        return heard["one"], heard["two"]

    with serving(tmp_path, "one", "two", milliseconds=60) as server:
        assert len(list_workers(server.process.pid)) == 2
        heard = asyncio.run(kill_one(server))
        dead, alive = sorted(heard, key=lambda each: not each[0].code)
        assert [one.code for one in dead] == ["WORKER_CRASHED"] * streams
        assert all(spell(words).startswith(one.text) for one in dead), "what came before was right"
        for one in alive:
            check(one, words)
        for name in ("one", "two"):
            check(asyncio.run(ask(server.port, completion(3, stream=False, model=name), server.key)), 3)
        assert len(list_workers(server.process.pid)) == 2
        assert server.stop() == 0
        kinds = read_kinds(tmp_path / "state")
        assert (kinds.count("request.failed"), kinds.count("request.answered")) == (streams, streams + 2)


def test_a_server_that_is_told_to_stop_gives_the_answers_that_it_began(tmp_path: Path) -> None:
    words, streams = 20, 6

    async def stop_it(server: RunningServer) -> list[Heard]:
        heard = [Heard() for _ in range(streams)]
        body = completion(words, stream=True)
        tasks = [asyncio.create_task(ask(server.port, body, server.key, heard=one)) for one in heard]
        while any(one.events == 0 for one in heard):
            await asyncio.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*tasks)
        return heard

    with serving(tmp_path, "one", milliseconds=60) as server:
        for one in asyncio.run(stop_it(server)):
            check(one, words)
        assert server.process.wait(PATIENCE) == 0
        kinds = read_kinds(tmp_path / "state")
        assert kinds.count("request.answered") == streams
        assert kinds.count("server.stopped") == 1
        assert not {"request.failed", "request.cancelled"} & {*kinds}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_server_that_is_gone(tmp_path: Path, how: signal.Signals) -> None:
    with serving(tmp_path, "one", "two") as server:
        ask_both_ways(server)
        below = list_below(server.process.pid)
        assert len(below) >= 3
        server.process.send_signal(how)
        server.process.wait(PATIENCE)
        wait_for(lambda: not any(is_running(pid) for pid in below))


def test_those_who_vanish_are_worked_for_no_more(tmp_path: Path) -> None:
    """A token takes a second, and all of them longer than anything here is waited for."""
    with serving(tmp_path, "one", milliseconds=1_000) as server, ExitStack() as clients:
        address, asked = ("127.0.0.1", server.port), render_request(completion(60, stream=True), server.key)
        ones = [clients.enter_context(socket.create_connection(address, PATIENCE)) for _ in range(20)]
        for one in ones:
            one.sendall(asked)
        for one in ones:
            assert one.recv(12) == b"HTTP/1.1 200"
        clients.close()
        wait_for(lambda: read_kinds(tmp_path / "state").count("request.cancelled") == 20)
        check(asyncio.run(ask(server.port, completion(1, stream=True), server.key, seconds=PATIENCE)), 1)
        assert server.stop() == 0
        kinds = read_kinds(tmp_path / "state")
        assert sorted(kind for kind in kinds if kind.startswith("request."))[::20] == [
            "request.answered",
            "request.cancelled",
        ]


def test_a_disk_that_is_full_is_said_and_forgotten_when_there_is_room_again(tmp_path: Path) -> None:
    """No file may grow: what must be recorded cannot be, so nothing is answered; nothing breaks, either."""
    with serving(tmp_path, "one") as server:
        ask_both_ways(server)
        usual = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        refused = [
            asyncio.run(ask(server.port, completion(3, stream=stream), server.key, seconds=PATIENCE))
            for stream in (False, True, False, True)
        ]
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, usual)
        for one in refused:
            assert one.code in ("QUOTA_UNWRITABLE", "RECORD_UNWRITABLE", "RECORD_DISK_FULL"), one
            assert one.headers["retry-after"]
            assert str(tmp_path) not in repr(one)
        wait_for(lambda: not asyncio.run(ask(server.port, completion(3, stream=False), server.key)).problem)
        ask_both_ways(server)
        assert server.stop() == 0
        kinds = read_kinds(tmp_path / "state")
        assert "server.stopped" in kinds
        assert kinds.count("request.answered") >= 5


def test_a_disk_that_becomes_full_while_answers_are_given(tmp_path: Path) -> None:
    """They come to their last word and are then told what is wrong; their ends are recorded when there is room."""
    words, streams = 20, 6

    async def fill_disk(server: RunningServer) -> list[Heard]:
        heard = [Heard() for _ in range(streams)]
        body = completion(words, stream=True)
        tasks = [asyncio.create_task(ask(server.port, body, server.key, heard=one)) for one in heard]
        while any(one.events == 0 for one in heard):
            await asyncio.sleep(0.01)
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        await asyncio.gather(*tasks)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
        return heard

    with serving(tmp_path, "one", milliseconds=60) as server:
        for one in asyncio.run(fill_disk(server)):
            assert one.code.startswith("RECORD_"), one
            assert one.text == spell(words)
        wait_for(lambda: not asyncio.run(ask(server.port, completion(1, stream=False), server.key)).problem)
        assert server.stop() == 0
        kinds = read_kinds(tmp_path / "state")
        assert kinds.count("request.answered") >= streams + 1
        assert kinds.count("server.stopped") == 1


def test_nobody_who_is_served_waits_for_whoever_should_read_the_notes(tmp_path: Path) -> None:
    """Standard error is a pipe that is full, as a terminal is that somebody stopped."""
    model = HostilePublisher(tmp_path).publish_honest()
    key, settings, state = sign_model(model), tmp_path / "ostiary.toml", tmp_path / "state"
    settings.write_text(SETTINGS, encoding="utf-8")
    read_end, write_end = os.pipe()
    command = [sys.executable, "-c", FAKE_SERVER % 0, str(model), "--name", "one", "--key", str(key)]
    command += ["--state", str(state), "--config", str(settings), "--port", "0"]
    with (
        os.fdopen(read_end, "r") as said,
        os.fdopen(write_end, "w") as told,
        subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=told) as process,
    ):
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rpartition(":")[2])
            lines = iter(said.readline, "")
            shown = next(line.strip() for line in lines if "ost_" in line)
            assert any("connections;" in line for line in lines)
            fill(told.fileno())
            server = RunningServer(process, port, shown)
            for times in (1, 2, 3):  # each has a note: the second would not come if the first had to be read
                process.send_signal(signal.SIGHUP)
                wait_for(partial(has_kind, state, "settings.reloaded", times))
                ask_both_ways(server)
            process.terminate()
            assert process.wait(PATIENCE) == 0, "not for the last notes, either"
        finally:
            process.kill()
    assert read_kinds(state).count("server.stopped") == 1


HANGING = """
import sys, time
from pathlib import Path
from ostiary.admission.usage_file import UsageFile
def sync(file, usual=UsageFile.sync, hangs=Path(sys.argv.pop(1))):
    while hangs.exists():
        time.sleep(0.01)
    usual(file)
UsageFile.sync = sync
"""


def test_a_disk_that_hangs_holds_up_nobody_who_does_not_need_it(tmp_path: Path) -> None:
    """What is written is taken, but that it is kept is not said."""
    model = HostilePublisher(tmp_path).publish_honest()
    key, hangs, state = sign_model(model), tmp_path / "hangs", tmp_path / "state"
    command = [sys.executable, "-c", HANGING + FAKE_SERVER % 0, str(hangs), str(model), "--name", "one"]
    command += ["--key", str(key), "--state", str(state), "--port", "0"]
    with subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            server = await_server(process)
            ask_both_ways(server)
            hangs.touch()
            ask_both_ways(server)
            wait_for(lambda: look_at(server, "/readyz") == (503, "hanging"))
            for stream in (False, True):
                one = asyncio.run(ask(server.port, completion(3, stream=stream), server.key, seconds=PATIENCE))
                assert (one.status, one.code) == (503, "QUOTA_UNWRITABLE")
                assert one.headers["retry-after"]
            assert look_at(server, "/livez") == (200, "hanging")
            hangs.unlink()
            wait_for(lambda: look_at(server, "/readyz") == (200, "ok"))
            ask_both_ways(server)
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    assert sum_usage(state) == (6, 42, 42, 0)


def await_server(process: subprocess.Popen[str]) -> RunningServer:
    assert process.stdout is not None
    assert process.stderr is not None
    port = int(process.stdout.readline().rpartition(":")[2])
    lines = iter(process.stderr.readline, "")
    key = next(line.strip() for line in lines if "ost_" in line)
    assert any("connections;" in line for line in lines)
    return RunningServer(process, port, key)


def look_at(server: RunningServer, path: str) -> tuple[int, str]:
    """Its status, and what it says of the disk."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())["disk"]


def has_kind(state: Path, kind: str, times: int) -> bool:
    return read_kinds(state).count(kind) == times


def fill(descriptor: int) -> None:
    """A pipe, to the last byte."""
    os.set_blocking(descriptor, False)
    for size in (512, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(descriptor, b"." * size)
    os.set_blocking(descriptor, True)


def read_kinds(state: Path) -> list[str]:
    with open_reader(state) as reader:
        return [parse_entry(body, number).kind for number, body in reader.read_bodies(0, reader.read_size())]
