"""The file of settings: what it may say, what is refused and where."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ostiary.cell.limits import CellLimits
from ostiary.cell.limits_file import SETTINGS, SIZES, TIMES, parse_amount, parse_config, render_amount
from ostiary.cell.read_settings import load_limit_rules
from ostiary.errors import Misuse

LIMITS = CellLimits(1 << 30, 60, 60, 60, 8, 1_000, 32, 3)
SCHEMA = json.loads(
    (Path(__file__).resolve().parents[3] / "docs" / "reference" / "config.schema.json").read_text(encoding="utf-8")
)
WHOLE = b"""
[limits]
memory = "2 GiB"
wall = "90 s"

[limits."acme/*"]
wall = "5 min"
tokens = 4_096

[limits."acme/llama-*"]
tokens = 512

[limits."acme/llama-8b"]
tokens = 256
"""

GOOD = [
    b"",
    b"[limits]",
    WHOLE,
    b'[limits]\nmemory="1.5GiB"\ncpu="1 h"\nload="2 min"\nthreads=4\ndescriptors=16\nrestarts=0',
    b'[limits.memory]\nmemory = "1 GiB"',  # a model of this name
    b'[limits."*"]\nrestarts = 63',
]
BAD = {
    b"x = 1": "line 1: x: there is no such field",
    b"\n[limit]": "line 2: limit: there is no such field",
    b"limits = 1": "line 1: limits: not a table",
    b"[[limits]]": "line 1: limits: not a table",
    b"[limits]\nthreads = 8\nmemroy = '1 GiB'": "line 3: limits.memroy: there is no such field",
    b"[limits]\n\nmemory = 8": "line 3: limits.memory: not a text",
    b"[limits]\nmemory = '8'": "line 2: limits.memory: '8' is not a number with its unit",
    b"[limits]\nmemory = '8 s'": "line 2: limits.memory: '8 s' is not a number with its unit",
    b"[limits]\nmemory = '-8 GiB'": "line 2: limits.memory: '-8 GiB' is not a number with its unit",
    b"[limits]\nmemory = '8 gib'": "line 2: limits.memory: '8 gib' is not a number with its unit",
    b"[limits]\nmemory = '1e3 MiB'": "line 2: limits.memory: '1e3 MiB' is not a number with its unit",
    b"[limits]\nwall = ''": "line 2: limits.wall: empty",
    b"[limits]\nwall = '5 GiB'": "line 2: limits.wall: '5 GiB' is not a number with its unit",
    b"[limits]\nthreads = 3": "line 2: limits.threads: not between 4 and 4096",
    b"[limits]\nthreads = true": "line 2: limits.threads: not a whole number",
    b"[limits]\ntokens = 0": "line 2: limits.tokens: not between 1 and 1073741824",
    b"[limits]\ndescriptors = 15": "line 2: limits.descriptors: not between 16 and 4096",
    b"[limits]\nrestarts = 64": "line 2: limits.restarts: not between 0 and 63",
    b"[limits]\nrestarts = -1": "line 2: limits.restarts: not between 0 and 63",
    b"[limits.'a b']\ntokens = 1": "line 1: limits.a b: 'a b' is not a pattern of model ids",
    b"[limits.'a/*/b']\ntokens = 1": "line 1: limits.a/*/b: 'a/*/b' is not a pattern",
    b"[limits]\n[limits.'a/*']\nx.y = 1": "line 3: limits.a/*.x: there is no such field",
    b"[limits]\nthreads = [\n8,\n8]": "line 2: limits.threads: not a whole number",
}
# What a schema cannot say.
BAD_FOR_THE_READER = {
    b"[limits]\nmemory = '127 MiB'": "line 2: limits.memory: not between 128 MiB and 1,024 TiB",
    b"[limits]\nwall = '0 s'": "line 2: limits.wall: not between 1 s and 30 d",
    b"[limits]\nload = '31 d'": "line 2: limits.load: not between 1 s and 30 d",
    b"[limits]\nthreads = 8.0": "line 2: limits.threads: not a whole number",
    b"[limits]\ncpu = '0.9 s'": "line 2: limits.cpu: not between 1 s and 365 d",
}


def _changed(model_id: str | None) -> CellLimits:
    return parse_config(WHOLE, "ostiary.toml").change(LIMITS, model_id)


def test_the_narrowest_pattern_that_says_something_wins() -> None:
    assert (_changed(None).wall_seconds, _changed(None).tokens) == (90, 1_000)
    assert (_changed("other").wall_seconds, _changed("other").tokens) == (90, 1_000)
    assert (_changed("acme/phi").wall_seconds, _changed("acme/phi").tokens) == (300, 4_096)
    assert (_changed("acme/llama-1b").wall_seconds, _changed("acme/llama-1b").tokens) == (300, 512)
    assert (_changed("acme/llama-8b").wall_seconds, _changed("acme/llama-8b").tokens) == (300, 256)
    assert {_changed(one).memory_bytes for one in (None, "acme/llama-8b")} == {2 << 30}


def test_what_nobody_set_stays_as_it_was_derived() -> None:
    assert parse_config(b"", "ostiary.toml").change(LIMITS, "acme/llama") == LIMITS


@pytest.mark.parametrize(("data", "place"), [*BAD.items(), *BAD_FOR_THE_READER.items()])
def test_what_is_wrong_is_refused_with_its_line(data: bytes, place: str) -> None:
    with pytest.raises(Misuse) as caught:
        parse_config(data, "ostiary.toml")
    assert caught.value.code == "CELL_LIMITS_MALFORMED"
    assert caught.value.message.startswith(f"ostiary.toml, {place}")
    assert caught.value.hint


def test_too_large_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(Misuse, match="the ceiling is 262144"):
        parse_config(b"#" * 262_145, "ostiary.toml")


@pytest.mark.parametrize("data", [*GOOD, *BAD])
def test_schema_and_reader_agree(data: bytes) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    is_valid = Draft202012Validator(SCHEMA).is_valid(tomllib.loads(data.decode()))
    assert is_valid is (data in GOOD)
    if is_valid:
        parse_config(data, "ostiary.toml")


def test_every_limit_can_be_set() -> None:
    assert {setting.field for setting in SETTINGS} == set(LIMITS.by_name())


@pytest.mark.parametrize(
    ("text", "units", "value"),
    [
        ("8 GiB", SIZES, 8 << 30),
        ("1.5GiB", SIZES, 3 << 29),
        ("1.001 MB", SIZES, 1_001_000),
        ("999999999 TiB", SIZES, 999_999_999 << 40),
        ("30 s", TIMES, 30),
        ("1.5 min", TIMES, 90),
        ("0.999 s", TIMES, 0),
    ],
)
def test_an_amount(text: str, units: dict[str, int], value: int) -> None:
    assert parse_amount(text, units) == value


def test_an_amount_is_written_as_it_is_read() -> None:
    for value in (1, 1023, 1 << 20, 3 << 29, 10**9):
        assert parse_amount(render_amount(value, SIZES).replace(",", ""), SIZES) == value
    assert render_amount(3 << 29, SIZES) == "1,536 MiB"
    assert render_amount(90, TIMES) == "90 s"
    assert render_amount(7_200, TIMES) == "2 h"


class TestFile:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.delenv("OSTIARY_CONFIG", raising=False)
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
        return tmp_path

    def test_none_is_no_rules(self) -> None:
        assert load_limit_rules().change(LIMITS, "acme/llama") == LIMITS

    def test_the_usual_place(self) -> None:
        import platformdirs

        place = Path(platformdirs.user_config_dir("ostiary", appauthor=False))
        place.mkdir(parents=True)
        (place / "ostiary.toml").write_bytes(WHOLE)
        assert load_limit_rules().general["wall_seconds"] == 90

    def test_a_named_one_before_the_variable(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (home / "a.toml").write_bytes(b"[limits]\ntokens = 1")
        (home / "b.toml").write_bytes(b"[limits]\ntokens = 2")
        monkeypatch.setenv("OSTIARY_CONFIG", str(home / "a.toml"))
        assert load_limit_rules().general == {"tokens": 1}
        assert load_limit_rules(home / "b.toml").general == {"tokens": 2}

    def test_a_named_one_must_be_there(self, home: Path) -> None:
        with pytest.raises(Misuse, match=r"USAGE: there is no file of settings none\.toml"):
            load_limit_rules(home / "none.toml")

    def test_a_directory_is_none(self, home: Path) -> None:
        with pytest.raises(Misuse, match="not a regular file"):
            load_limit_rules(home)

    def test_one_that_everybody_may_write(self, home: Path) -> None:
        (home / "a.toml").touch()
        (home / "a.toml").chmod(0o666)
        with pytest.raises(Misuse, match=r"a\.toml can be written by everybody"):
            load_limit_rules(home / "a.toml")
