"""Entries and answers of `ostiary record`, for people and machines. What entries say comes from outside: quoted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ostiary.cli import ui
from ostiary.core.text import quote_untrusted
from ostiary.record.entry import Entry, Salt
from ostiary.record.export import render_json_line

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def show_entries(entries: Iterable[Entry], *, is_json: bool) -> None:
    for entry in entries:
        ui.out(render_json_line(entry) if is_json else render_line(entry))


def render_line(entry: Entry) -> str:
    """One entry on one line: what a person looks for. `show` tells the rest."""
    data = {name: value for name, value in entry.data.items() if not _is_for_machines(name, value)}
    name = data.pop("name", None)
    # What was decided on, then why, then the rest.
    first = [name for name in ("code", "rule", "path") if name in data]
    words = [] if name is None else [_render_value(name)]
    words += [_render_value(data.pop(name)) for name in first]
    words += [f"{quote_untrusted(name)}={_shorten(value)}" for name, value in data.items()]
    at = f"{entry.at[:10]} {entry.at[11:19]}Z"
    who, kind = quote_untrusted(entry.user, 32), quote_untrusted(entry.kind)
    return f"{entry.index:>7}  {at}  {who}  {kind}  {' '.join(words)}"


def _is_for_machines(name: str, value: object) -> bool:
    return name == "correlation_id" or (isinstance(value, str) and value.startswith("hmac-sha256:"))


def _shorten(value: object) -> str:
    is_digest = isinstance(value, str) and _DIGEST.fullmatch(value) is not None
    return f"{value}"[:12] if is_digest else _render_value(value)


def show_entry(entry: Entry, *, salts: Sequence[Salt], is_content: bool | None, is_json: bool) -> None:
    if is_json:
        shown: dict[str, object] = {"entry": json.loads(entry.body), "testable": [salt.field for salt in salts]}
        if is_content is not None:
            shown["is_content"] = is_content
        ui.out(json.dumps(shown, indent=2))
        return
    rows = [
        ("entry", str(entry.index)),
        ("kind", f"{quote_untrusted(entry.kind)} (schema {entry.schema})"),
        ("when", entry.at),
        ("who", f"{quote_untrusted(entry.user)} (uid {entry.uid}, process {entry.pid})"),
        *((quote_untrusted(name), _render_value(value, 2_048)) for name, value in entry.data.items()),
    ]
    if is_content is not None:
        rows.append(("content", "is what was recorded" if is_content else "is NOT what was recorded"))
    width = max(len(name) for name, _ in rows)
    ui.out("\n".join(f"{name:<{width}}  {value}" for name, value in rows))


def show_keys(announced: Sequence[tuple[int, tuple[str, ...]]], *, is_json: bool) -> None:
    if is_json:
        ui.out(json.dumps([{"announced_at": index, "keys": list(keys)} for index, keys in announced], indent=2))
        return
    for index, keys in announced:
        ui.note(f"announced by entry {index}:")
        ui.out("\n".join(keys))


def show_result(value: Mapping[str, Any], text: str, *, is_json: bool) -> None:
    ui.out(json.dumps(value, indent=2) if is_json else text)


def _render_value(value: object, max_characters: int = 120) -> str:
    if isinstance(value, str):
        return quote_untrusted(value, max_characters) or '""'
    if isinstance(value, dict):
        return ",".join(f"{quote_untrusted(str(name))}:{_render_value(count)}" for name, count in value.items())
    if isinstance(value, list):
        return ",".join(_render_value(one, max_characters) for one in value)
    return quote_untrusted(json.dumps(value))
