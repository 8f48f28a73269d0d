"""docs/inference.md: its programs print what they say that they print."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY
from served_functions import serve_functions
from served_models import Served

from ostiary.core.limits import MAX_BODY_VALUES
from ostiary.gateway.keys import open_keys
from ostiary.gateway.routes import gather_routes

pytest.importorskip("mlx.core")
pytest.importorskip("grpc")
pytest.importorskip("tritonclient.http")
pytest.importorskip("tritonclient.grpc")
pytestmark = [LINUX_ONLY, pytest.mark.mlx]

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "inference.md").read_text(encoding="utf-8")
PROGRAMS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str]]:
    place = tmp_path_factory.mktemp("functions")
    keys, first = open_keys(place)
    assert first is not None
    with serve_functions(place, has_grpc=True, keys=keys) as running:
        yield running, first


@pytest.mark.parametrize("program", PROGRAMS, ids=["http", "grpc", "by hand"])
def test_programs_print_what_is_shown(served: tuple[Served, str], program: str) -> None:
    running, key = served
    shown = re.findall(r"print\(.*\)  # (.*)", program)
    assert len(shown) == 1
    for written, meant in (
        ("127.0.0.1:8151", f"127.0.0.1:{running.door.port}"),
        ("127.0.0.1:8152", f"127.0.0.1:{running.door.grpc_port}"),
        ("ost_...", key),
    ):
        program = program.replace(written, meant)
    said = io.StringIO()
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(said):
        exec(program, names)  # noqa: S102  the page's own
    client = names.get("client")
    if client is not None:
        client.close()  # type: ignore[attr-defined]
    assert said.getvalue().strip() == shown[0]


def test_the_addresses_are_all_that_there_are() -> None:
    told = {path.replace("NAME", "{model:path}") for path in re.findall(r"`(?:GET |POST )?(/v2[^`]*)`", PAGE)}
    there = {route.path for route in gather_routes(lambda: False) if route.path.startswith("/v2")}
    assert told - {"/v2"} >= {path for path in there if "{version}" not in path} - {"/v2"}
    assert f"{int(MAX_BODY_VALUES):,}" in PAGE
