"""In whose words an address is answered that leads to no route, or was never read to its end. Pure."""

from __future__ import annotations

from ostiary.gateway.route import Dialect


def choose_dialect(path: str) -> Dialect:
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return Dialect.ANTHROPIC
    if path == "/v2" or path.startswith("/v2/"):
        return Dialect.INFERENCE
    return Dialect.OPENAI if path.startswith("/v1/") else Dialect.PROBLEM
