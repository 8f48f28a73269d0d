"""What `ostiary config check` says of certificates and tokens: each setting, and whether its files are any good."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.core.text import quote_untrusted

if TYPE_CHECKING:
    from ostiary.gateway.credential_settings import CredentialSettings
    from ostiary.gateway.settings import Server, ServerSetting
    from ostiary.gateway.tls_files import TlsFacts
    from ostiary.gateway.tls_settings import TlsSettings
    from ostiary.gateway.token_settings import TokenSettings

Explain = Callable[[str], list[str]]


def render_credentials(server: Server, credentials: CredentialSettings, explain: Explain) -> list[str]:
    """Raises Misuse where the server would not start with them."""
    from ostiary.gateway.tls_settings import TLS_SETTINGS
    from ostiary.gateway.token_settings import TOKEN_SETTINGS

    lines = []
    if credentials.tls is not None:
        lines += ["", "[server.tls]", *_render_settings(TLS_SETTINGS, credentials.tls, explain)]
        facts = try_certificate(credentials.tls)
        lines += [line for text in _tell_certificate(facts, server) for line in explain(text)]
    for name, entry in credentials.clients.items():
        scopes = sorted(scope.value for scope in entry.scopes)
        lines += ["", f"[clients.{json.dumps(name)}]", f"  tenant = {json.dumps(entry.tenant)}"]
        lines.append(f"  scopes = {json.dumps(scopes)}")
        if entry.models is not None:
            lines.append(f"  models = {json.dumps(sorted(entry.models))}")
    if credentials.token is not None:
        lines += ["", "[auth.token]", *_render_settings(TOKEN_SETTINGS, credentials.token, explain)]
        lines += explain(try_issuer_keys(credentials.token))
    return lines


def try_certificate(tls: TlsSettings) -> TlsFacts:
    """As the server would at its start."""
    from ostiary.gateway.tls_files import judge_tls_files, make_context, read_tls_files

    files = read_tls_files(tls)
    facts = judge_tls_files(files, datetime.now(UTC))
    make_context(files, tls)
    return facts


def _tell_certificate(facts: TlsFacts, server: Server) -> Iterator[str]:
    from ostiary.gateway.origins import choose_origins

    names = quote_untrusted(", ".join(facts.names), 200) or "no name that a client would look for"
    days = (facts.not_after - datetime.now(UTC)).days
    until = f"{facts.not_after:%Y-%m-%d %H:%M} UTC, {days} {'day' if days == 1 else 'days'} from now"
    yield f"TRIED: the certificate and its key are good. It is for {names}, and expires at {until}."
    origins = choose_origins(server.host, server.hosts, ())
    others = [name for name in facts.names if not origins.is_own_host(f"[{name}]" if ":" in name else name)]
    if others:
        yield f"NOT AMONG hosts, so whoever calls it so is refused: {quote_untrusted(', '.join(others), 200)}."


def try_issuer_keys(token: TokenSettings) -> str:
    from ostiary.gateway.credentials import check_token_library
    from ostiary.gateway.token_source import TokenSource

    check_token_library()
    if token.keys_url is not None:
        return "NOT TRIED: the issuer's keys are fetched when the server runs."
    found = TokenSource(token, lambda _count, _problem: None).current.keys
    return (
        f"TRIED: the file has {len(found)} {'key' if len(found) == 1 else 'keys'} that tokens can be checked with."
    )


def _render_settings(settings: Iterable[ServerSetting], values: object, explain: Explain) -> list[str]:
    from ostiary.cli.config import render_value

    lines = []
    for setting in settings:
        value = getattr(values, setting.name)
        if value is not None:
            shown = quote_untrusted(str(value), 400) if isinstance(value, Path) else render_value(setting, value)
            source = "  (default)" if value == setting.default else ""
            lines += [f"  {setting.name} = {shown}{source}", *explain(setting.meaning)]
    return lines
