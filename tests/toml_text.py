"""Writes values as TOML, so that tests can build a policy as a tree and take parts of it away."""

from __future__ import annotations

import json
from datetime import datetime


def write_toml(top: dict[str, object]) -> bytes:
    return "".join(f"{write_key(name)} = {write_value(value)}\n" for name, value in top.items()).encode()


def write_key(name: str) -> str:
    return json.dumps(name)


def write_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        return "[" + ", ".join(write_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{write_key(name)} = {write_value(item)}" for name, item in value.items()) + "}"
    raise TypeError(type(value).__name__)
