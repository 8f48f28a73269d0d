"""What pages with commands on them have in common: the steps of a block, and what `...` stands for."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from cell_tools import PATIENCE


def find_blocks(page: str, language: str = "console") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def find_section(page: str, title: str) -> str:
    """What stands below this heading, up to the next one of its kind."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, title
    return found[1]


def steps(block: str) -> Iterator[tuple[str, str]]:
    """Each command, and what it is shown to say."""
    for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = step.partition("\n")
        yield command, shown.rstrip("\n")


def fits(shown: str, said: str) -> bool:
    """`...` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in shown.split("..."))
    return re.fullmatch(pattern, said, re.DOTALL) is not None


def run_curl(command: str, address: str, key: str) -> str:
    """Of what curl can do, what the pages use."""
    words = shlex.split(command.replace("$SERVER", address).replace("$KEY", key))
    assert words[:2] == ["curl", "-s"]
    headers, data = {}, None
    for name, value in zip(words[3::2], words[4::2], strict=True):
        if name == "-H":
            field, _, text = value.partition(": ")
            headers[field] = text
        else:
            assert name == "-d"
            data = value.encode()
    try:
        with urlopen(Request(words[2], data, headers), timeout=PATIENCE) as answer:  # noqa: S310
            return str(answer.read().decode())
    except HTTPError as error:
        with error:
            return error.read().decode()
