"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from ostiary import errors
from ostiary.core import function_limits, limits
from ostiary.core.ceiling import Ceiling

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "src" / "ostiary"
MAX_LINES = 450  # a file that one can hold in mind


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    ).stdout
    return [REPOSITORY / name for name in listed.decode().split("\0") if name and (REPOSITORY / name).is_file()]


def test_source_files_are_small() -> None:
    large = {p.name: n for p in SOURCE.rglob("*.py") if (n := p.read_text().count("\n")) > MAX_LINES}
    assert large == {}


def test_no_module_is_named_for_nothing() -> None:
    vague = {"utils", "util", "helpers", "common", "misc", "manager", "base"}
    assert [p for p in SOURCE.rglob("*.py") if p.stem in vague] == []


def test_only_ui_prints() -> None:
    for path in SOURCE.rglob("*.py"):
        if path.name == "ui.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Name) and node.id == "print" and "testing.py" not in path.name:
                pytest.fail(f"{path.name}:{node.lineno} prints")
            if isinstance(node, ast.Attribute) and node.attr in {"stdout", "stderr"}:
                owner = node.value.id if isinstance(node.value, ast.Name) else ""
                assert owner != "sys", f"{path.name}:{node.lineno} writes to sys.{node.attr}"


def test_every_limit_has_a_unit_and_a_reason() -> None:
    for name, value in (vars(limits) | vars(function_limits)).items():
        if name.isupper():
            assert isinstance(value, Ceiling), name
            assert value.unit, name
            assert len(value.reason) > 15, name


def test_code_names_are_unique_and_say_their_room() -> None:
    for code in errors.CODES.values():
        assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", code.name)
        assert code.public.endswith(".")
        assert code.hint.endswith(".")
        assert "\n" not in code.public + code.hint


def test_the_repository_speaks_of_itself_alone() -> None:
    host = "|".join(
        ("pythonhosted" + r"\.org", "files" + r"\.pypi", "pypi" + r"\.org/simple", "registry" + r"\.npmjs")
    )
    machine = "|".join((r"/root" + "/", r"\.\./sha" + "red", "/work/" + "main"))
    wrong = re.compile(f"{host}|{machine}")
    for path in _tracked():
        if path.is_relative_to(REPOSITORY / "tests" / "attacks") or path.suffix in {".png", ".bin"}:
            continue
        match = wrong.search(path.read_text(encoding="utf-8", errors="replace"))
        assert match is None, f"{path.relative_to(REPOSITORY)}: {match and match[0]}"
