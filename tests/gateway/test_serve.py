"""`ostiary serve` as a program: what it says when it starts, what it answers, how it ends, and what it keeps."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from cell_tools import LINUX_ONLY, PATIENCE
from function_models import write_function
from program_tools import PROGRAM, serving, wait_until_it_listens

from ostiary.cell.ending import Cause
from ostiary.cell.quarantine import Quarantine
from ostiary.cli.main import main
from ostiary.library.opening import open_here
from ostiary.library.options import read_options
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

pytestmark = LINUX_ONLY

PROMPT = "tell nobody these words"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("OSTIARY_CONFIG", raising=False)
    sign_model(HostilePublisher(tmp_path).publish_honest(), model_id="acme/honest")
    HostilePublisher(tmp_path, honest_name="unsigned").publish_honest()
    return tmp_path


def read_record(state: Path) -> list[Any]:
    with open_reader(state) as reader:
        return [parse_entry(body, number) for number, body in reader.read_bodies(0, reader.read_size())]


def refuse(arguments: Sequence[str], capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with FakeEngine():
        status = main(["serve", *arguments])
    out, err = capfd.readouterr()
    assert "listening" not in out
    return status, err.splitlines()[-1]


def test_from_the_first_start_to_the_second(house: Path, state_directory: Path) -> None:
    with serving(house, "honest", "--key", "honest.pub") as program:
        lines = program.said.splitlines()
        opened = next(line for line in lines if "vouched for by key" in line)
        assert opened.endswith("128 tokens and 600 s a request; served as honest")
        assert " layers, within " in opened
        assert program.key
        assert program.ask("/v1/models", key="")[0] == 401
        assert program.ask("/v1/models")[1]["data"][0]["id"] == "honest"
        body = {"model": "honest", "prompt": PROMPT, "max_tokens": 4}
        status, answer = program.ask("/v1/completions", body)
        assert (status, answer["choices"][0]["text"]) == (200, PROMPT)
        assert program.ask("/v1/completions", {**body, "frobnicate": PROMPT})[0] == 400
        assert program.ask("/readyz", key="")[1]["status"] == "ok"
        key = program.key
        status, rest = program.stop()
    assert (status, rest) == (0, "ostiary: stopped\n")
    with serving(house, "honest", "--key", "honest.pub") as program:
        assert not program.key
        assert program.ask("/v1/models", key=key)[0] == 200
        program.stop()
    entries = read_record(state_directory)
    kinds = [entry.kind for entry in entries]
    assert (kinds.count("server.started"), kinds.count("server.stopped"), kinds.count("keys.created")) == (
        2,
        2,
        1,
    )
    assert kinds.count("request.answered") == 1
    refused = {entry.data["code"]: entry.data["count"] for entry in entries if entry.kind == "client.refused"}
    assert refused == {"ADMISSION_UNAUTHENTICATED": 1, "CONTRACT_UNKNOWN_FIELD": 1}
    kept = b"".join(path.read_bytes() for path in state_directory.rglob("*") if path.is_file())
    for secret in (key.split("_", 2)[2], PROMPT, "frobnicate"):
        assert secret.encode() not in kept, "neither keys nor bodies are kept anywhere"


def test_keys_come_and_go_while_it_runs(
    house: Path, state_directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def do(*words: str) -> str:
        assert main(["keys", *words]) == 0
        return capfd.readouterr().out.strip()

    early = do("create", "early")
    with serving(house, "honest", "--key", "honest.pub") as program:
        assert not program.key, "there are keys already"
        late = do("create", "late", "--tenant", "acme", "--model", "honest")
        bound = do("create", "bound", "--model", "other")
        assert [program.ask("/v1/models/honest", key=key)[0] for key in (early, late, bound)] == [200, 200, 404]
        do("revoke", early)
        status, told = program.ask("/v1/models", key=early)
        assert (status, told["error"]["code"]) == (401, "ADMISSION_REVOKED")
        assert program.ask("/v1/models", key=late)[0] == 200
        (state_directory / "server-keys.json").write_text("{")
        assert program.ask("/v1/models", key=late)[0] == 200
        status, rest = program.stop()
    assert status == 0
    assert "the keys have changed; 3 let somebody in now" in rest
    assert "the keys stay as they were: server-keys.json is not JSON" in rest
    kinds = [entry.kind for entry in read_record(state_directory) if entry.kind.startswith("keys.")]
    assert kinds.count("keys.created") == 3
    assert set(kinds) == {"keys.created", "keys.revoked", "keys.reread", "keys.unusable"}
    status, said = refuse(["honest", "--key", "honest.pub", "--port", "0"], capfd)
    assert (status, "KEY_UNUSABLE" in said) == (2, True), "it does not start with such a file"


def test_the_answer_joins_the_record(house: Path, state_directory: Path) -> None:
    with serving(house, "honest", "--key", "honest.pub") as program:
        data = json.dumps({"model": "honest", "prompt": "a", "max_tokens": 1}).encode()
        headers = {"content-type": "application/json", "x-api-key": program.key, "x-request-id": "mine"}
        request = Request(f"{program.address}/v1/completions", data, headers)  # noqa: S310
        with urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
            told = answer.headers
        program.stop()
    assert told["x-request-id"] == "mine"
    answered = [entry for entry in read_record(state_directory) if entry.kind == "request.answered"]
    assert [entry.data["correlation_id"] for entry in answered] == [told["x-correlation-id"]]


def test_being_stopped_lets_an_answer_come_to_its_end(house: Path) -> None:
    with serving(house, "honest", "--key", "honest.pub", slow=30) as program:
        with socket.create_connection(("127.0.0.1", int(program.address.rpartition(":")[2]))) as connection:
            body = json.dumps(
                {"model": "honest", "prompt": "word " * 30, "max_tokens": 30, "stream": True}
            ).encode()
            head = f"POST /v1/completions HTTP/1.1\r\nhost: localhost\r\nx-api-key: {program.key}\r\n"
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
            first = connection.recv(10_000)
            program.process.send_signal(signal.SIGTERM)
            rest = b"".join(iter(lambda: connection.recv(10_000), b""))
        assert first.startswith(b"HTTP/1.1 200")
        assert b"[DONE]" in rest
        status, said = program.stop()
        assert status == 0
        assert said.splitlines()[0] == "ostiary: stopping; requests at work: 1, which have 30 s to end"


def test_few_files_are_few_connections_and_that_is_said(house: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, "0", "serve", "honest", "--key", "honest.pub", "--port", "0"]
    process = subprocess.Popen(
        ["/bin/sh", "-c", 'ulimit -n 266; exec "$@"', "sh", *command],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        program = wait_until_it_listens(process)
        assert "ostiary: only 10 of 2,048 connections: " in program.said
        assert program.ask("/readyz", key="")[0] == 200
        assert program.stop()[0] == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate(timeout=PATIENCE)


def test_several_models_from_the_command_line_and_the_file(house: Path) -> None:
    (house / "ostiary.toml").write_text('[models."acme/third"]\npath = "honest"\nkey = ["honest.pub"]\n')
    arguments = ["honest", "honest", "--name", "one", "--name", "two", "--key", "honest.pub"]
    with serving(house, *arguments, "--config", "ostiary.toml", "--unsafe-without-keys") as program:
        assert not program.key
        listed = program.ask("/v1/models")[1]["data"]
        assert [model["id"] for model in listed] == ["one", "two", "acme/third"]
        assert program.ask("/v1/models/acme/third")[1]["id"] == "acme/third"
        assert program.ask("/v1/models/honest")[0] == 404
        assert program.stop()[0] == 0


def test_functions_over_grpc_until_it_is_stopped(house: Path) -> None:
    grpc = pytest.importorskip("grpc")
    sign_model(write_function(house / "scaled"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(house, "scaled", "--key", "scaled.pub", "--grpc-port", str(port)) as program:
        assert f"ostiary: gRPC at 127.0.0.1:{port}\n" in program.said
        opened = next(line for line in program.said.splitlines() if "vouched for by key" in line)
        assert opened.endswith(" MB, 600 s a request; served as scaled")  # a function says no tokens
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            shown = (("authorization", f"Bearer {program.key}"),)
            tell = channel.unary_unary("/inference.GRPCInferenceService/ModelMetadata")
            assert b"ostiary-graph" in tell(b"\x0a\x06scaled", metadata=shown, timeout=PATIENCE)
            with pytest.raises(grpc.RpcError) as caught:
                tell(b"\x0a\x06scaled", timeout=PATIENCE)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            status, last = program.stop()
        assert (status, last.splitlines()[-1]) == (0, "ostiary: stopped")


def test_a_port_for_grpc_that_cannot_be_had(house: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("grpc")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ["honest", "--key", "honest.pub", "--port", "0", "--grpc-port", str(port)]
        status, said = refuse(arguments, capfd)
    assert (status, "SERVER_NOT_LISTENING" in said) == (4, True), said
    assert refuse(["honest", "--grpc-port", "0"], capfd)[0] == 2


def test_a_model_that_nobody_vouches_for_is_not_served(house: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status, said = refuse(["honest", "unsigned", "--key", "honest.pub", "--port", "0"], capfd)
    assert status == 3
    assert "TRUST_UNSIGNED" in said


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        ([], 2, "USAGE"),
        (["honest", "--name", "a", "--name", "b"], 2, "USAGE"),
        (["honest", "honest"], 2, "USAGE"),
        (["honest", "--name", "../etc"], 2, "USAGE"),
        (["honest", "--port", "70000"], 2, "USAGE"),
        (["nothing", "--port", "0"], 2, "MODEL_NOT_FOUND"),
        (["honest", "--host", "0.0.0.0", "--unsafe-without-keys"], 2, "SERVER_UNPROTECTED"),  # noqa: S104
        (["honest", "--host", "no.such.host.invalid"], 4, "SERVER_NOT_LISTENING"),
        (["honest", "--config", "none.toml"], 2, "USAGE"),
    ],
)
def test_what_keeps_it_from_starting(
    house: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], status: int, code: str
) -> None:
    told, said = refuse([*arguments, "--key", "honest.pub"], capfd)
    assert told == status
    assert f": {code}: " in said


def test_a_model_that_is_quarantined_keeps_no_other_from_being_served(
    house: Path, state_directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    other = HostilePublisher(house, honest_name="other").publish_honest()
    (other / "README.md").write_text("Another one.")
    sign_model(other)
    root = _quarantine(house, state_directory)
    with serving(house, "honest", "other", "--key", "honest.pub", "--key", "other.pub") as program:
        assert (
            f"honest is quarantined and answers nobody before: ostiary quarantine release {root[:16]}"
            in program.said
        )
        body = {"model": "other", "prompt": PROMPT, "max_tokens": 4}
        assert program.ask("/v1/completions", body)[0] == 200
        status, told = program.ask("/v1/completions", {**body, "model": "honest"})
        assert (status, told["error"]["code"]) == (503, "CELL_QUARANTINED")
        status, told = program.ask("/readyz", key="")
        assert (status, told["workers"]["quarantined"], told["workers"]["running"]) == (503, 1, 1)
        assert program.ask("/livez", key="")[0] == 200
        assert program.ask("/v2/models/honest/ready")[0] == 503
        assert main(["quarantine", "release", root[:16]]) == 0
        assert program.ask("/v1/completions", {**body, "model": "honest"})[0] == 200
        assert program.ask("/readyz", key="")[0] == 200
        assert program.stop()[0] == 0
    kinds = [entry.kind for entry in read_record(state_directory)]
    assert kinds.count("cell.refused") >= 1
    assert kinds.count("cell.started") == kinds.count("cell.ended")


def test_nothing_starts_where_every_model_is_quarantined_or_one_is_not_vouched_for(
    house: Path, state_directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = _quarantine(house, state_directory)
    status, said = refuse(["honest", "--key", "honest.pub"], capfd)
    assert (status, "CELL_QUARANTINED" in said) == (3, True)
    status, said = refuse(["honest", "unsigned", "--key", "honest.pub"], capfd)
    assert (status, "CELL_QUARANTINED" in said) == (3, False)
    assert Quarantine(state_directory, lambda _: None).read(root).is_quarantined


def _quarantine(house: Path, state: Path) -> str:
    with FakeEngine():
        opened = open_here(house / "honest", read_options({"key": house / "honest.pub"}))
        root = opened.verdict.root
        opened.close()
    for _ in range(4):
        Quarantine(state, lambda _: None).note_end(root, "honest", Cause.CRASH, 3, "correlation")
    return root


def test_config_check_explains_every_setting(house: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (house / "ostiary.toml").write_text(
        '[server]\nport = 9000\n[models.a]\npath = "gone"\n[limits]\nwall = "5 s"\n'
    )
    assert main(["config", "check", "--config", "ostiary.toml"]) == 0
    out = capfd.readouterr().out
    assert out.startswith("ostiary.toml: good\n")
    assert "  port = 9000\n" in out
    assert '  host = "127.0.0.1"  (default)\n' in out
    assert "NOT THERE" in out
    assert '  wall = "5 s"\n' in out
    assert main(["config", "check", "--config", "ostiary.toml", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["server"]["port"] == 9000
    (house / "ostiary.toml").write_text("[server]\nport = 90000\n")
    assert main(["config", "check", "--config", "ostiary.toml"]) == 2
    assert "SETTINGS_MALFORMED: ostiary.toml, line 2: server.port" in capfd.readouterr().err
    assert main(["config", "check"]) == 0


def test_without_the_extra_it_says_what_to_install(
    house: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    status, said = refuse(["honest", "--key", "honest.pub"], capfd)
    assert status == 2
    assert "EXTRA_MISSING" in said
    assert "pip install 'ostiary[serve]'" in said


def test_settings_can_be_checked_without_the_extra(house: Path) -> None:
    program = "import sys; from ostiary.cli.main import main; sys.exit(main(['config', 'check']) or 'msgspec' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], cwd=house, capture_output=True, check=False).returncode == 0
    )
