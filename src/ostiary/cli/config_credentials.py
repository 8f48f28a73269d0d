"""What `ostiary config check` says of certificates and tokens: each setting, and whether its files are any good."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ostiary.cli.config_tables import explain_absent
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
    from ostiary.gateway.tls_settings import CLIENT_SETTINGS, TLS_SETTINGS
    from ostiary.gateway.token_settings import TOKEN_SETTINGS

    lines = []
    if credentials.tls is None:
        lines += explain_absent("[server.tls]", "nothing is encrypted", TLS_SETTINGS, explain)
    else:
        lines += ["", "[server.tls]", *_render_settings(TLS_SETTINGS, credentials.tls, explain)]
        facts = try_certificate(credentials.tls)
        lines += [line for text in _tell_certificate(facts, server) for line in explain(text)]
    if not credentials.clients:
        why = "no certificate of a client lets anybody in"
        lines += explain_absent('[clients."NAME"]', why, CLIENT_SETTINGS, explain)
    for name, entry in credentials.clients.items():
        scopes = sorted(scope.value for scope in entry.scopes)
        models = None if entry.models is None else sorted(entry.models)
        lines += ["", f"[clients.{json.dumps(name)}]"]
        for setting in CLIENT_SETTINGS:
            value = {"tenant": entry.tenant, "scopes": scopes, "models": models}[setting.name]
            lines.append(f"  {setting.name}" + ("  (not set)" if value is None else f" = {json.dumps(value)}"))
            lines += explain(setting.meaning)
    if credentials.token is None:
        lines += explain_absent("[auth.token]", "no token lets anybody in", TOKEN_SETTINGS, explain)
    else:
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
        if value is None:
            lines.append(f"  {setting.name}  (not set)")
        else:
            shown = (
                f'"{quote_untrusted(str(value), 400)}"' if isinstance(value, Path) else render_value(setting, value)
            )
            lines.append(f"  {setting.name} = {shown}{'  (default)' if value == setting.default else ''}")
        lines += explain(setting.meaning)
    return lines
