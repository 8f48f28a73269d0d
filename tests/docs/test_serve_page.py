"""docs/serve.md: its commands do what they show, its settings are settings, its table is the code's."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY, PATIENCE
from page_tools import find_blocks, fits, run_curl, steps

from ostiary.cell.limits_file import parse_config
from ostiary.cli.main import main
from ostiary.errors import CODES, Misuse
from ostiary.gateway.routes import gather_routes
from ostiary.gateway.settings_file import parse_server_file
from ostiary.testing import HostilePublisher

pytestmark = LINUX_ONLY

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "serve.md").read_text(encoding="utf-8")
BLOCKS, TOML = find_blocks(PAGE), find_blocks(PAGE, "toml")
PROGRAM = """
import sys
from ostiary.cli.main import main
from ostiary.testing import FakeEngine
with FakeEngine():
    sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, str]]:
    """Its address, its key, and all that it said."""
    place = tmp_path_factory.mktemp("serve")
    environment = {
        **os.environ,
        "OSTIARY_STATE_DIR": str(place / "state"),
        "XDG_CONFIG_HOME": str(place / "config"),
    }
    environment["OSTIARY_PASSPHRASE"] = "correct horse"  # noqa: S105
    HostilePublisher(place, honest_name="llama").publish_honest()

    def start(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROGRAM, *arguments]
        return subprocess.Popen(
            command, cwd=place, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    for arguments in (["keygen", "alice"], ["sign", "llama", "--key", "alice.key"]):
        process = start(*arguments)
        assert process.wait(PATIENCE) == 0, process.communicate()
        process.communicate()
    process = start("serve", "llama", "--key", "alice.pub", "--port", "0")
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        listening = process.stdout.readline().rstrip()
        said = ""
        while "connections;" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        key = re.search(r"ost_\S+", said)
        assert key is not None
        said = "\n".join(line for line in said.splitlines() if "record" not in line)
        yield listening.removeprefix("listening at "), key[0], f"{said}\n{listening}"
        process.terminate()
        assert process.wait(PATIENCE) == 0
    finally:
        process.kill()
        process.communicate()


def test_every_kind_of_block_is_known() -> None:
    assert set(re.findall(r"^```(\w+)$", PAGE, re.MULTILINE)) == {"console", "python", "toml", "wrong"}
    assert (len(BLOCKS), len(TOML)) == (4, 2)


def test_requests_get_what_is_shown(server: tuple[str, str, str]) -> None:
    address, key, _ = server
    asked = [step for block in BLOCKS for step in steps(block) if step[0].startswith("curl")]
    assert len(asked) == 4
    for command, shown in asked:
        said = run_curl(command, address, key)
        assert fits(shown, said), said


def test_the_server_says_what_is_shown(server: tuple[str, str, str]) -> None:
    ((_, shown),) = [step for block in BLOCKS for step in steps(block) if step[0].startswith("ostiary serve")]
    assert fits(shown.replace(":8151", ":..."), server[2]), server[2]


def test_the_settings_are_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for text in TOML:
        parse_server_file(text.encode(), "ostiary.toml", tmp_path)
        parse_config(text.encode(), "ostiary.toml")
    Path("ostiary.toml").write_text(TOML[-1], encoding="utf-8")
    ((command, shown),) = [step for block in BLOCKS for step in steps(block) if "config check" in step[0]]
    assert main(shlex.split(command)[1:]) == 0
    assert fits(f"{shown}\n", capfd.readouterr().out)


def test_mistakes_are_told_as_shown(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```wrong\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for line in block.splitlines():
        written, message = re.split(r"  +", line)
        table, _, setting = written.partition(" ")
        with pytest.raises(Misuse) as caught:
            parse_server_file(f"{table}\n{setting}".encode(), "ostiary.toml", tmp_path)
        assert caught.value.message == message


def test_the_addresses_and_codes_exist() -> None:
    paths = {route.path.replace("{model:path}", "NAME") for route in gather_routes(lambda: False)}
    named = {word for line in re.findall(r"^\| (`(?:GET|POST).*?) \|", PAGE, re.MULTILINE)
             for word in re.findall(r"(/[\w./]+)", line)}  # fmt: skip
    assert named <= paths
    for status, code in re.findall(r"(\d{3}) `([A-Z_]+)`", PAGE):
        assert CODES[code].http == int(status)
