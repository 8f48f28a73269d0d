"""The file of settings -> the server's settings and models. Pure and strict, but for `load_server_file`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ostiary.admission.tenants import NO_LIMITS
from ostiary.cell.read_settings import find_settings_path, read_settings_bytes
from ostiary.core.limits import (
    MAX_SERVED_MODELS,
    MAX_SERVED_NAME_CHARACTERS,
    MAX_SERVER_TEXT_CHARACTERS,
    MAX_SETTINGS_BYTES,
)
from ostiary.core.text import quote_untrusted
from ostiary.core.toml_fields import Table, TomlKind, read_toml
from ostiary.errors import SETTINGS_MALFORMED, Misuse
from ostiary.gateway.credential_settings import CredentialSettings
from ostiary.gateway.origins import is_host_name, is_origin
from ostiary.gateway.settings import (
    MODEL_SETTINGS,
    NO_SERVER_FILE,
    SERVER_SETTINGS,
    ModelEntry,
    Server,
    ServerFile,
)
from ostiary.gateway.take_setting import take_setting, take_settings
from ostiary.gateway.tenant_settings import take_tenants
from ostiary.gateway.tls_settings import take_clients, take_tls
from ostiary.gateway.token_settings import TokenSettings, take_token

OTHER_TABLES: Final = ("limits",)
"""Which others read."""
_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._:/-]{{0,{MAX_SERVED_NAME_CHARACTERS - 1}}}", re.ASCII)


def _malformed(message: str, hint: str | None) -> Misuse:
    return Misuse(SETTINGS_MALFORMED, message, hint=hint)


SETTINGS: Final = TomlKind(
    page="docs/reference/settings.md",
    correct="Correct the setting at this place; docs/reference/settings.md says what it may be.",
    max_bytes=MAX_SETTINGS_BYTES,
    max_text_characters=MAX_SERVER_TEXT_CHARACTERS,
    refuse=_malformed,
    refuse_size=_malformed,
    names_lines=True,
)


def load_server_file(chosen: Path | None = None) -> ServerFile:
    """Raises Misuse. Only the file in the usual place may be absent."""
    data = read_settings_bytes(chosen)
    if data is None:
        return NO_SERVER_FILE
    path = find_settings_path(chosen)
    return parse_server_file(data, path.name, path.absolute().parent)


def parse_server_file(data: bytes, name: str, directory: Path) -> ServerFile:
    """`directory`: where relative paths in it begin. Raises Misuse(SETTINGS_MALFORMED)."""
    top = read_toml(data, quote_untrusted(name), SETTINGS)
    for other in OTHER_TABLES:
        if other in top:
            top.take_table(other)
    server, said, tls = Server(), frozenset[str](), None
    if "server" in top:
        table = top.take_table("server")
        tls = take_tls(table.take_table("tls"), directory) if "tls" in table else None
        server, said = _take_server(table)
    if "clients" in top and (tls is None or tls.client_ca is None):
        top.fail("clients", "there is no server.tls.client_ca that could issue their certificates")
    models = _take_models(top.take_table("models"), directory) if "models" in top else {}
    clients = take_clients(top.take_table("clients")) if "clients" in top else {}
    token = _take_auth(top.take_table("auth"), directory) if "auth" in top else None
    tenants = take_tenants(top.take_table("tenants")) if "tenants" in top else NO_LIMITS
    top.finish()
    return ServerFile(server, said, models, CredentialSettings(tls, clients, token), tenants=tenants)


def is_served_name(name: str) -> bool:
    """Whether a model may be served under it: a word, as hubs have them, that is no path."""
    return _NAME.fullmatch(name) is not None and ".." not in name and "//" not in name and not name.endswith("/")


def _take_server(table: Table) -> tuple[Server, frozenset[str]]:
    said = take_settings(table, SERVER_SETTINGS, _TEXTS)
    return Server(**said), frozenset(said)  # type: ignore[arg-type]


def _take_auth(table: Table, directory: Path) -> TokenSettings | None:
    token = take_token(table.take_table("token"), directory) if "token" in table else None
    table.finish()
    return token


def _take_models(table: Table, directory: Path) -> Mapping[str, ModelEntry]:
    models = {}
    for name, fields in table.take_named_tables(MAX_SERVED_MODELS).items():
        if not is_served_name(name):
            table.fail(name, "no name that a model can be served under")
        said = {one.name: take_setting(fields, one, _MODEL_TEXTS) for one in MODEL_SETTINGS if one.name in fields}
        if "path" not in said:
            fields.fail("path", "missing", "Add the path of the model directory.")
        fields.finish()
        for place in ("path", "policy"):
            if place in said:
                said[place] = directory / str(said[place])
        if "key" in said:
            said["key"] = tuple(directory / str(key) for key in said["key"])  # type: ignore[attr-defined]
        models[name] = ModelEntry(**said)  # type: ignore[arg-type]
    return models


def _parse_host(text: str) -> str:
    if not is_host_name(text):
        raise _malformed(f"'{quote_untrusted(text)}' is no host name", "Write the name alone, without a port.")
    return text.lower()


def _parse_origin(text: str) -> str:
    if not is_origin(text):
        hint = "Write scheme and host, as https://app.example, without a path."
        raise _malformed(f"'{quote_untrusted(text)}' is no web origin", hint)
    return text.lower()


def _parse_load(text: str) -> str:
    if text not in ("start", "demand"):
        raise _malformed(f"'{quote_untrusted(text)}' is neither start nor demand", "Write start or demand.")
    return text


_TEXTS: Final = {"hosts": _parse_host, "origins": _parse_origin}
_MODEL_TEXTS: Final = {"load": _parse_load}
