"""A model and the process that opened it: forks, ends, forgets, is interrupted. Nothing stays, nothing hangs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cell_tools import LINUX_ONLY, PATIENCE

from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import HostilePublisher

pytestmark = LINUX_ONLY

HEAD = """
import os, sys, json, signal, threading, warnings
import ostiary
from ostiary.testing import FakeEngine
model_path, state = sys.argv[1:]
fake = FakeEngine(token_milliseconds=10)
fake.__enter__()
def open_model():
    return ostiary.open(model_path, unsafe_unsigned=True, state=state)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return HostilePublisher(tmp_path).publish_honest()


def run(program: str, model: Path, state: Path, *flags: str, status: int = 0) -> Any:
    """What the program printed, as JSON, from an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, *flags, "-c", HEAD + textwrap.dedent(program), str(model), str(state)],
        capture_output=True,
        text=True,
        timeout=PATIENCE * 2,
        check=False,
    )
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stderr or status
    return json.loads(done.stdout.splitlines()[-1]) if done.stdout else done.stderr


def read_kinds(state: Path) -> list[str]:
    with open_reader(state) as reader:
        return [parse_entry(body, number).kind for number, body in reader.read_bodies(0, reader.read_size())]


def test_importing_is_instant_and_imports_no_room() -> None:
    program = """
    import sys
    import ostiary
    loaded = [name for name in sys.modules if name.startswith("ostiary.")]
    engines = {"mlx", "mlx_lm", "numpy", "tokenizers", "cryptography", "jinja2", "asyncio", "sqlite3"}
    print(sorted(loaded), sorted(engines & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert done.stdout.strip() == "['ostiary._version'] []"


def test_using_a_model_imports_no_engine(model: Path, tmp_path: Path) -> None:
    program = """
    with open_model() as model:
        model.generate("a")
    found = {"mlx", "mlx_lm", "numpy", "tokenizers", "transformers"} & set(sys.modules)
    print(json.dumps(sorted(found)))
    """
    assert run(program, model, tmp_path / "state") == []


def test_an_end_without_close(model: Path, tmp_path: Path) -> None:
    program = """
    model = open_model()
    stream = model.stream("word " * 100)
    next(stream)
    print(json.dumps(model.generate("a").text))
    """
    assert run(program, model, tmp_path / "state", "-X", "dev") == "a"
    kinds = read_kinds(tmp_path / "state")
    assert kinds[-1] == "cell.ended"
    assert sorted(kinds[-3:-1]) == ["request.answered", "request.failed"]


def test_an_end_by_an_error(model: Path, tmp_path: Path) -> None:
    program = """
    model = open_model()
    model.generate("a")
    raise SystemExit(7)
    """
    run(program, model, tmp_path / "state", status=7)
    assert read_kinds(tmp_path / "state")[-1] == "cell.ended"


def test_a_model_that_is_forgotten_closes_itself_and_warns(model: Path, tmp_path: Path) -> None:
    program = """
    import gc
    warnings.simplefilter("always")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        def use():
            return open_model().generate("a").text
        use()
        gc.collect()
    for thread in threading.enumerate():
        if thread.name == "ostiary-close":
            thread.join()
    print(json.dumps([str(warning.message) for warning in caught if warning.category is ResourceWarning]))
    """
    assert run(program, model, tmp_path / "state") == ["a model was not closed: use `with`"]
    assert read_kinds(tmp_path / "state")[-1] == "cell.ended"


def test_a_forked_child_cannot_use_it_and_does_not_end_it(model: Path, tmp_path: Path) -> None:
    program = """
    warnings.simplefilter("ignore", DeprecationWarning)
    model = open_model()
    stream = model.stream("word " * 20)
    next(stream)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        codes = []
        for act in (lambda: model.generate("a"), lambda: next(stream), lambda: model.stream("a")):
            try:
                act()
            except ostiary.Misuse as error:
                codes.append(error.code)
        model.close()
        with open_model() as own:
            codes.append(own.generate("child").text)
        os.write(writing, json.dumps(codes).encode())
        del stream, model
        sys.exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    said = json.loads(os.read(reading, 1000))
    rest = stream.finish().text
    print(json.dumps([said, rest.count("word"), model.generate("parent").text]))
    model.close()
    """
    said, words, text = run(program, model, tmp_path / "state", "-X", "dev")
    assert said == ["CELL_CLOSED"] * 3 + ["child"]
    assert (words, text) == (20, "parent")
    kinds = read_kinds(tmp_path / "state")
    assert kinds.count("cell.started") == kinds.count("cell.ended") == 2
    assert [kind for kind in kinds if kind.startswith("request.")] == ["request.answered"] * 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle(model: Path, tmp_path: Path, number: signal.Signals) -> None:
    program = f"""
    def end(*_):
        raise KeyboardInterrupt
    signal.signal({int(number)}, end)
    try:
        with open_model() as model:
            for piece in model.stream("word " * 100):
                if piece.text == " word":
                    os.kill(os.getpid(), {int(number)})
    except KeyboardInterrupt:
        print(json.dumps("interrupted"))
    """
    assert run(program, model, tmp_path / "state") == "interrupted"
    kinds = read_kinds(tmp_path / "state")
    assert kinds[-2:] == ["request.cancelled", "cell.ended"]


def test_asyncio_that_ends_without_closing(model: Path, tmp_path: Path) -> None:
    program = """
    import asyncio
    async def use():
        model = await ostiary.open_async(model_path, unsafe_unsigned=True, state=state)
        asyncio.create_task(model.generate("word " * 100))
        await asyncio.sleep(0.2)
        return model
    model = asyncio.run(use())
    print(json.dumps("done"))
    """
    assert run(program, model, tmp_path / "state") == "done"
    kinds = read_kinds(tmp_path / "state")
    assert kinds[-1] == "cell.ended"
    assert [kind for kind in kinds if kind.startswith("request.")] == ["request.cancelled"]


def test_nothing_is_left_behind(model: Path, tmp_path: Path) -> None:
    program = """
    import gc, resource
    def count():
        return len(os.listdir("/proc/self/fd")), threading.active_count()
    def use():
        with open_model() as model:
            model.generate("a b")
            next(model.stream("a b c d e f"))
    for _ in range(2):
        use()
    before = count()
    for _ in range(10):
        use()
    gc.collect()
    print(json.dumps([before, count()]))
    """
    before, after = run(program, model, tmp_path / "state")
    assert after == before


def test_no_process_and_no_file_is_left_behind(model: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    subprocess.run(
        [sys.executable, "-c", HEAD + "m = open_model(); m.generate('a')", str(model), str(tmp_path / "state")],
        timeout=PATIENCE * 2,
        check=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    deadline = time.monotonic() + PATIENCE
    while list(temporary.iterdir()):  # the fork server removes it as the last thing that it does
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
