"""docs/admission.md, on keys: each command does what it shows, in the order of the page, while a server runs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY
from page_tools import find_blocks, find_section, fits, run_curl, steps
from served_models import serve

from ostiary.cli.main import main
from ostiary.errors import CODES
from ostiary.gateway.keys import WatchedKeys
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

pytestmark = LINUX_ONLY

SECTION = find_section(
    (Path(__file__).resolve().parents[2] / "docs" / "admission.md").read_text(encoding="utf-8"), "Keys"
)
KEY = re.compile(r"ost_([0-9a-f]{12})_\S*")


class Reader:
    """Somebody who types what the page shows, with the ids that come."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self._ids: dict[str, str] = {}
        self.key = ""

    def type(self, command: str, shown: str) -> None:
        assert main(shlex.split(self._rewrite(command))[1:]) == 0
        told = self._capfd.readouterr()
        for old, new in zip(KEY.findall(shown), KEY.finditer(told.out), strict=True):
            self._ids[old] = new[1]
            self.key = self.key or new[0]
        said = f"{told.err}{told.out}"
        said = "\n".join(line.rstrip() for line in said.splitlines() if "new record" not in line)
        pattern = "\n".join(re.sub("  +", "  ", line) for line in self._rewrite(shown).splitlines())
        assert fits(pattern, re.sub("  +", "  ", said)), said

    def _rewrite(self, text: str) -> str:
        for old, new in self._ids.items():
            text = text.replace(old, new)
        return text


def test_each_command_says_what_is_shown(
    tmp_path: Path, state_directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    making, revoking = (list(steps(block)) for block in find_blocks(SECTION))
    reader = Reader(capfd)
    for command, shown in making:
        reader.type(command, shown)
    model = HostilePublisher(tmp_path).publish_honest()
    keys = WatchedKeys(state_directory / "server-keys.json")
    with FakeEngine(), serve(tmp_path / "s", ("llama", model, sign_model(model)), keys=keys) as served:
        for command, shown in revoking:
            if command.startswith("curl"):
                said = run_curl(command, served.url, reader.key)
                assert fits(shown, said), said
            else:
                reader.type(command, shown)


def test_the_codes_of_the_table_are_answered_so() -> None:
    told = re.findall(r"\| (\d{3}) `([A-Z_]+)`", SECTION)
    assert len(told) == 5
    assert all(CODES[code].http == int(status) for status, code in told)


def test_the_events_exist() -> None:
    from ostiary.record.events import EVENT_TYPES

    named = set(re.findall(r"`(keys\.\w+)`", SECTION))
    assert named == {kind for kind in EVENT_TYPES if kind.startswith("keys.")}
