"""The server's part of the file of settings: read strictly, explained wholly, and the same as its schema says."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ostiary.cell.limits_file import parse_config
from ostiary.errors import Misuse
from ostiary.gateway.settings import MODEL_SETTINGS, SERVER_SETTINGS, ModelEntry, Server
from ostiary.gateway.settings_file import is_served_name, parse_server_file
from ostiary.gateway.settings_mistakes import find_mistakes

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[3] / "docs" / "reference" / "config.schema.json").read_text(encoding="utf-8")
)
WHOLE = b"""
[limits]
memory = "2 GiB"

[server]
host = "0.0.0.0"
port = 8443
grpc_port = 8444
hosts = ["models.example", "10.0.0.1", "[::1]"]
origins = ["https://app.example", "http://localhost:3000"]
keys = true
body = "16 MiB"
tensor_body = "32 MiB"
buffers = "1 GiB"
head_time = "5 s"
body_time = "2 min"
idle_time = "1 min"
write_time = "20 s"
drain_time = "0 s"
connections = 500
requests = 100
memory = "8 GiB"
load_time = "90 s"
queue = 256
queue_time = "30 s"

[models."acme/tiny"]
path = "models/tiny"
key = ["acme.pub"]
id = "acme/tiny"
adapter = "adapters"
context_tokens = 2048
load = "demand"
workers = 2

[models.other]
path = "/models/other"
policy = "policy.toml"
"""
GOOD = [b"", WHOLE, b"[server]", b'[models.x]\npath = "x"']
BAD = {
    b"[serve]": "line 1: serve: there is no such field",
    b"server = 1": "line 1: server: not a table",
    b"\n[server]\nprot = 1": "line 3: server.prot: there is no such field",
    b"[server]\nport = 65536": "line 2: server.port: not between 0 and 65535",
    b"[server]\nport = '80'": "line 2: server.port: not a whole number",
    b"[server]\nkeys = 1": "line 2: server.keys: not true or false",
    b"[server]\nbody = 8": "line 2: server.body: not a text",
    b"[server]\nbody = '8 s'": "line 2: server.body: '8 s' is not a number with its unit",
    b"[server]\nbody = '1 B'": "line 2: server.body: not between 1 KiB and 1 GiB",
    b"[server]\nhead_time = '0 s'": "line 2: server.head_time: not between 1 s and 1 h",
    b"[server]\nhosts = 'a'": "line 2: server.hosts: not a list",
    b"[server]\nhosts = ['a b']": "line 2: server.hosts: 'a b' is no host name",
    b"[server]\nhosts = ['a:80']": "line 2: server.hosts: 'a:80' is no host name",
    b"[server]\norigins = ['app.example']": "line 2: server.origins: 'app.example' is no web origin",
    b"[server]\norigins = ['*']": "line 2: server.origins: '*' is no web origin",
    b"[server]\norigins = ['https://a.example/b']": "line 2: server.origins: 'https://a.example/b' is no web origin",
    b"[server]\nmemory = '1 MiB'": "line 2: server.memory: not between 256 MiB and 1,024 TiB",
    b"[models.x]\npath = 'a'\nload = 'later'": "line 3: models.x.load: 'later' is neither start nor demand",
    b"[models.x]\npath = 'a'\nworkers = 0": "line 3: models.x.workers: not between 1 and 64",
    b"[models.x]": "models.x.path: missing",
    b"[models.x]\npath = ''": "line 2: models.x.path: empty",
    b"[models.x]\npath = 'a'\nhub = 'b'": "line 3: models.x.hub: there is no such field",
    b"[models.'../x']\npath = 'a'": "models.../x: no name that a model can be served under",
}


def test_every_setting_is_a_field_with_its_default() -> None:
    fields = {field.name: field.default for field in dataclasses.fields(Server)}
    assert fields == {setting.name: setting.default for setting in SERVER_SETTINGS}
    assert {field.name for field in dataclasses.fields(ModelEntry)} == {setting.name for setting in MODEL_SETTINGS}


def test_the_whole_file(tmp_path: Path) -> None:
    file = parse_server_file(WHOLE, "ostiary.toml", tmp_path)
    assert (file.server.port, file.server.body, file.server.body_time) == (8443, 16 << 20, 120)
    assert file.server.hosts == ("models.example", "10.0.0.1", "[::1]")
    assert file.said == {setting.name for setting in SERVER_SETTINGS}
    assert file.models["acme/tiny"].path == tmp_path / "models" / "tiny"
    assert file.models["acme/tiny"].key == (tmp_path / "acme.pub",)
    assert (file.models["acme/tiny"].load, file.models["acme/tiny"].workers) == ("demand", 2)
    assert file.models["other"].path == Path("/models/other")
    assert (file.models["other"].load, file.models["other"].workers) == ("start", 1)


def test_limits_and_server_do_not_disturb_one_another() -> None:
    assert parse_config(WHOLE, "ostiary.toml").general == {"memory_bytes": 2 << 30}


@pytest.mark.parametrize("text", GOOD)
def test_what_is_good_is_good_to_the_schema(text: bytes, tmp_path: Path) -> None:
    parse_server_file(text, "ostiary.toml", tmp_path)
    Draft202012Validator(SCHEMA).validate(tomllib.loads(text.decode()))


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_told_with_its_line(text: bytes, tmp_path: Path) -> None:
    with pytest.raises(Misuse) as caught:
        parse_server_file(text, "ostiary.toml", tmp_path)
    assert caught.value.code == "SETTINGS_MALFORMED"
    assert BAD[text] in caught.value.message
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("name", ["llama", "mlx-community/Llama-3.2_1B", "a.b:4bit", "A"])
def test_names_that_models_are_served_under(name: str) -> None:
    assert is_served_name(name)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "/a", "a/", "a/../b", "a//b", "a b", "\xe9", "a\n", "x" * 200, "a?b"]
)
def test_names_that_are_none(name: str) -> None:
    assert not is_served_name(name)


def test_every_mistake_is_found_not_only_the_first(tmp_path: Path) -> None:
    text = b"""
[limits]
memroy = "8 GiB"
threads = 1

[serve]
port = 80

[server]
port = 90_000
body = "8"
hosts = ["a b"]
connections = 10

[models.a]
path = "a"
hub = "b"
"""
    found = [mistake.message for mistake in find_mistakes(text, "ostiary.toml", tmp_path)]
    assert found == [
        "ostiary.toml, line 3: limits.memroy: there is no such field",
        "ostiary.toml, line 4: limits.threads: not between 4 and 4096",
        "ostiary.toml, line 6: serve: there is no such field",
        "ostiary.toml, line 10: server.port: not between 0 and 65535",
        "ostiary.toml, line 11: server.body: '8' is not a number with its unit",
        "ostiary.toml, line 12: server.hosts: 'a b' is no host name",
        "ostiary.toml, line 17: models.a.hub: there is no such field",
    ]


@pytest.mark.parametrize("text", [b"", WHOLE])
def test_where_there_is_no_mistake_none_is_found(text: bytes, tmp_path: Path) -> None:
    assert find_mistakes(text, "ostiary.toml", tmp_path) == ()


@pytest.mark.parametrize("text", [b"[server", b"a = 1\n" * 200, b"x = [\n1,\n2]", b"\xff", b"[models.x]"])
def test_looking_for_mistakes_ends(text: bytes, tmp_path: Path) -> None:
    assert 1 <= len(find_mistakes(text, "ostiary.toml", tmp_path)) <= 50
