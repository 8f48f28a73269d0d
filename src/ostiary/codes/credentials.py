"""Codes of what the server itself shows and believes: its certificate, and the keys of whoever signs tokens."""

from __future__ import annotations

from typing import Final

from ostiary.codes.declare import declare

TLS_UNUSABLE: Final = declare(
    "TLS_UNUSABLE",
    "The server's certificate or its private key cannot be used.",
    "docs/admission.md says what the files of [server.tls] have to be; `ostiary config check` tries them.",
    500,
)
TOKEN_KEYS_UNUSABLE: Final = declare(
    "TOKEN_KEYS_UNUSABLE",
    "The public keys that tokens are checked with cannot be used.",
    "docs/admission.md says what a JWKS has to be here; `ostiary config check` tries it.",
    500,
)
