"""The house's JSON reader, under the name that intake's readers use."""

from __future__ import annotations

from ostiary.core.json_text import JsonValue, describe_type, parse_json, parse_json_object

__all__ = ["JsonValue", "describe_type", "parse_json", "parse_json_object"]
