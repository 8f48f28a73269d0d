"""Schemathesis reads our own /openapi.json and tries what it says, and what it does not say, at every address."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY
from served_functions import serve_functions
from served_models import Served, serve_fake

from ostiary.testing import FakeEngine

pytestmark = [
    LINUX_ONLY,
    pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"),
]

BODIES = Path(__file__).with_name("schemathesis_bodies.py")
# What is too long is told with 413. That all that is well-formed is accepted is not asked: an empty prompt is not,
# nor a choice of tools where there are none, and no schema can say so. Nor are keys, which this door does without.
CHECKS = '[checks]\nnegative_data_rejection.expected-statuses = ["4xx"]\n'
NAMES = """
[[operations]]
include-path-regex = "^/v2/models/"
parameters = { "path.model" = "scaled", "path.version" = "1" }
[[operations]]
include-path-regex = "^/v1/models/"
parameters = { "path.model" = "honest" }
"""
EVERYTHING = ("--checks=all", "--exclude-checks=positive_data_acceptance,ignored_auth", "--phases=coverage,fuzzing")


def try_out(served: Served, folder: Path, settings: str, *options: str) -> str:
    (folder / "schemathesis.toml").write_text(settings, encoding="utf-8")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{served.url}/openapi.json",
            *options,
            "--seed=1",
            "--no-color",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-14_000:] + done.stderr[-1_000:]
    assert served.door.failures == []
    return done.stdout


def test_it_finds_nothing_where_language_models_are_asked(tmp_path: Path) -> None:
    with FakeEngine(), serve_fake(tmp_path) as served:
        try_out(served, tmp_path, CHECKS, *EVERYTHING, "--exclude-path-regex=^/v2", "--max-examples=10")


def test_it_finds_nothing_where_functions_are_asked(tmp_path: Path) -> None:
    with FakeEngine(), serve_functions(tmp_path, language="honest") as served:
        only = "--include-path-regex=^/(v2|v1/models|livez|readyz|openapi)"
        try_out(served, tmp_path, CHECKS + NAMES, *EVERYTHING, only, "--max-examples=8")


def test_what_models_answer_is_as_it_is_described(tmp_path: Path) -> None:
    checks = (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
    settings = f"hooks = {json.dumps(str(BODIES))}\n{NAMES}"
    with FakeEngine() as fake, serve_functions(tmp_path, language="honest") as served:
        deep = (
            "--mode=positive",
            "--exclude-path-regex=^/admin",
            "--phases=fuzzing",
            "--include-method=POST",
            "--max-examples=8",
        )
        told = try_out(served, tmp_path, settings, f"--checks={','.join(checks)}", *deep)
        asked = {str(request.operation) for request in fake.requests}
    assert asked >= {"chat", "generate", "render_template", "embed"}
    assert "WARNINGS" not in told  # it warns of addresses where most that it sent was refused
