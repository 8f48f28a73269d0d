"""docs/operate.md: its commands do what they show, one after the other; what it starts with the machine could start."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from cell_tools import LINUX_ONLY, PATIENCE
from page_tools import find_blocks, fits, run_curl, steps

from ostiary.testing import HostilePublisher, sign_model

pytestmark = LINUX_ONLY

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PAGE: Final = (REPOSITORY / "docs" / "operate.md").read_text(encoding="utf-8")
PROGRAM: Final = """
import sys
from ostiary.cli.main import main
from ostiary.testing import FakeEngine
with FakeEngine():
    sys.exit(main(sys.argv[1:]))
"""
KEY: Final = re.compile(r"ost_[0-9a-f]{12}_\S{43}")
TENANTS: Final = {"shop-web": "$SHOP", "lab-notebook": "$LAB", "ops": "$OPS"}


class Operator:
    """Types what the page shows."""

    def __init__(self, place: Path) -> None:
        self._place: Final = place
        self._environment: Final = {
            **os.environ,
            "OSTIARY_STATE_DIR": str(place / "state"),
            "XDG_CONFIG_HOME": str(place / "config"),
        }
        self.keys: dict[str, str] = {}
        self.server: subprocess.Popen[str] | None = None
        self.address = ""

    def start(self, command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *command.split()[1:]],
            cwd=self._place,
            env=self._environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def type(self, command: str) -> str:
        """What it says. A server goes on."""
        if command.startswith("curl"):
            for variable, key in self.keys.items():
                command = command.replace(variable, key)
            return run_curl(command, self.address, "")
        process = self.start(f"{command} --port 0" if command.startswith("ostiary serve") else command)
        if command.startswith("ostiary serve"):
            return self._wait_for(process)
        said, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, said
        for name, variable in TENANTS.items():
            if command.startswith(f"ostiary keys create {name}"):
                self.keys[variable] = KEY.findall(said)[0]
        return said.rstrip("\n")

    def _wait_for(self, process: subprocess.Popen[str]) -> str:
        self.server = process
        assert process.stdout is not None
        said = ""
        while "listening at " not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        self.address = said.rstrip().rpartition("listening at ")[2]
        return said.rstrip("\n")


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    model = HostilePublisher(tmp_path, honest_name="llama").publish_honest()
    sign_model(model).rename(tmp_path / "acme.pub")
    (settings,) = find_blocks(PAGE, "toml")
    (tmp_path / "ostiary.toml").write_text(settings, encoding="utf-8")
    operator = Operator(tmp_path)
    yield operator
    server = operator.server
    if server is not None:
        server.terminate()
        said, _ = server.communicate(timeout=PATIENCE)
        assert server.returncode == 0, said


def test_each_command_says_what_is_shown(operator: Operator) -> None:
    for command, shown in (step for block in find_blocks(PAGE) for step in steps(block)):
        said = "\n".join(line.rstrip() for line in operator.type(command).splitlines() if "new record" not in line)
        expected = re.sub(r"(?<=ost_)\d{12}|(?<=key )\d{12}", "...", shown)
        assert fits(expected, said), f"{command}\n{said}"


def test_places_in_the_page_exist() -> None:
    for place in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (REPOSITORY / "docs" / place).exists(), place


# --- what the machine starts ---

UNIT: Final = REPOSITORY / "deploy" / "systemd" / "ostiary.service"
PLIST: Final = REPOSITORY / "deploy" / "launchd" / "org.ostiary.server.plist"
CONTAINERFILE: Final = REPOSITORY / "deploy" / "container" / "Containerfile"
LAUNCHD_KEYS: Final = {
    "ExitTimeOut", "GroupName", "HardResourceLimits", "KeepAlive", "Label", "ProcessType", "ProgramArguments",
    "RunAtLoad", "SoftResourceLimits", "StandardErrorPath", "StandardOutPath", "ThrottleInterval", "Umask", "UserName",
}  # fmt: skip


def read_unit() -> Mapping[str, list[str]]:
    said: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        name, is_there, value = line.partition("=")
        if is_there and not line.startswith("#"):
            said.setdefault(name, []).append(value)
    return said


def check_command(words: list[str]) -> None:
    """That our own program takes it."""
    from ostiary.cli.main import build_parser

    assert words[0] == "/opt/ostiary/bin/ostiary"
    options = build_parser().parse_args(words[1:])
    assert str(options.config).endswith("ostiary.toml")
    assert options.state is not None


def test_the_unit_starts_what_there_is() -> None:
    unit = read_unit()
    check_command(unit["ExecStart"][0].split())
    assert unit["Type"] == ["notify"]
    assert unit["TimeoutStartSec"] == ["infinity"], "reading a large model takes longer than the system would wait"
    assert unit["RestartPreventExitStatus"] == ["2 3"]
    assert {"landlock_restrict_self", "seccomp"} <= set(unit["SystemCallFilter"][0].split())
    assert {"user", "mnt", "net", "ipc", "uts"} <= set(unit["RestrictNamespaces"][0].split())


def test_the_unit_waits_as_long_as_requests_have_to_end() -> None:
    from ostiary.gateway.settings import Server

    assert int(read_unit()["TimeoutStopSec"][0]) > 2 * Server().drain_time


def test_the_unit_is_told_that_the_server_listens(operator: Operator, tmp_path: Path) -> None:
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.settimeout(PATIENCE)
        address = f"\0ostiary-{tmp_path.name}-{os.getpid()}"
        supervisor.bind(address)
        operator._environment["NOTIFY_SOCKET"] = f"@{address[1:]}"
        operator.type("ostiary serve --config ostiary.toml")
        assert supervisor.recv(64) == b"READY=1"


def test_the_daemon_of_launchd_starts_what_there_is() -> None:
    import plistlib

    said = plistlib.loads(PLIST.read_bytes())
    assert set(said) == LAUNCHD_KEYS
    check_command(said["ProgramArguments"])
    assert said["Umask"] == 0o077


def test_the_container_runs_as_an_ordinary_user_what_there_is() -> None:
    import json

    lines = CONTAINERFILE.read_text(encoding="utf-8").splitlines()
    said = dict(line.split(" ", 1) for line in lines if re.match(r"(USER|ENTRYPOINT|CMD|STOPSIGNAL) ", line))
    check_command([*json.loads(said["ENTRYPOINT"]), *json.loads(said["CMD"])])
    assert said["USER"] == "10001:10001"
    assert said["STOPSIGNAL"] == "SIGTERM"
    for line in lines:
        copied = re.match(r"COPY (requirements\S+)", line)
        assert copied is None or (REPOSITORY / copied[1]).is_file()


def test_a_server_has_every_package_that_its_extras_name() -> None:
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["serve"], *extras["grpc"], *extras["tokens"], *extras["mlx"]]
    names = {re.split(r"[\[<>=; ]", one)[0] for one in wanted}
    pinned = (REPOSITORY / "requirements" / "server.txt").read_text(encoding="utf-8")
    assert names <= set(re.findall(r"^([a-z0-9-]+)==", pinned, re.MULTILINE))
