"""Edits a policy's text and leaves every other line, comments included, as it is (docs/adr/0021-policy.md).

An edit adds lines, or replaces one. It is made on the text and then checked on the values: what a TOML reader sees
afterwards must be what it saw before with exactly the intended change, and the result must be a policy. Where a
file is written in a way that this cannot be done to, the edit is refused and the file stays as it was. Pure.
"""

from __future__ import annotations

import copy
import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ostiary.core.model_id import Pattern, parse_pattern
from ostiary.errors import USAGE, Misuse
from ostiary.trust.read_policy import parse_policy

NEW_POLICY: Final = """\
# Whom this house believes for what. Everything that is not allowed here is refused.
# docs/policy.md explains every field; `ostiary trust check MODEL` explains every answer.
schema = 1

[revoked]
# How many entries follow; `ostiary trust revoke` counts.
count = 0
"""

Tree = dict[str, Any]
Fields = Mapping[str, object]


def add_signer(data: bytes, name: str, fields: Fields) -> bytes:
    """Appends the table of a signer."""
    text, tree = _open(data)
    if name in tree.get("signers", {}):
        raise Misuse(USAGE, f"there is a signer {name!r} already", hint="Choose another name.")
    tree.setdefault("signers", {})[name] = dict(fields)
    return _close(text + _render_table(f"[signers.{_render_key(name)}]", fields), tree)


def replace_signer(data: bytes, old: str, new: str, fields: Fields) -> bytes:
    """Appends the signer who comes after another and puts the new name into every rule in place of the old one.

    In place of it, not beside it: the two are one person, who would be two of n.
    """
    text, tree = _open(data)
    if new in tree["signers"]:
        raise Misuse(USAGE, f"there is a signer {new!r} already", hint="Choose another name.")
    tree["signers"][new] = dict(fields)
    for number, rule in enumerate(tree.get("rules", [])):
        if old in rule["signers"]:
            rule["signers"] = [new if name == old else name for name in rule["signers"]]
            text = _set_in_block(text, "[[rules]]", number, "signers", rule["signers"])
    return _close(text + _render_table(f"[signers.{_render_key(new)}]", fields), tree)


def add_rule(data: bytes, fields: Fields) -> bytes:
    """Appends a rule; a wider rule that spoke for these models until now gets it into its `except`."""
    text, tree = _open(data)
    rules: list[Tree] = tree.setdefault("rules", [])
    added = parse_pattern(str(fields["models"]))
    whole = dict(fields)
    inner = [r["models"] for r in rules if added != Pattern(r["models"]) and added.contains(Pattern(r["models"]))]
    if inner:
        whole["except"] = inner
    for number, rule in enumerate(rules):
        wider = Pattern(rule["models"])
        if wider == added:
            raise Misuse(USAGE, f"there is a rule for {added.text!r} already", hint="Edit it in the policy file.")
        if wider.contains(added):
            rule["except"] = [*rule.get("except", []), added.text]
            text = _set_in_block(text, "[[rules]]", number, "except", rule["except"])
    rules.append(whole)
    return _close(text + _render_table("[[rules]]", whole), tree)


def add_revocation(data: bytes, fields: Fields) -> bytes:
    """Appends an entry and counts it."""
    text, tree = _open(data)
    revoked = tree["revoked"]
    if any(
        all(entry.get(k) == v for k, v in fields.items() if k not in _WHEN_AND_WHY)
        for entry in revoked.get("entries", [])
    ):
        raise Misuse(USAGE, "that is revoked already", hint="`ostiary trust list` shows what is revoked.")
    revoked["count"] += 1
    revoked.setdefault("entries", []).append(dict(fields))
    text = _set_in_block(text, "[revoked]", 0, "count", revoked["count"])
    return _close(text + _render_table("[[revoked.entries]]", fields), tree)


_WHEN_AND_WHY: Final = frozenset({"revoked_at", "reason"})


def _open(data: bytes) -> tuple[str, Tree]:
    """Only what is a policy is edited."""
    parse_policy(data)
    text = data.decode("utf-8")
    return text if text.endswith("\n") else f"{text}\n", copy.deepcopy(tomllib.loads(text))


def _close(text: str, intended: Tree) -> bytes:
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _cannot() from error
    if found != intended:
        raise _cannot()
    data = text.encode("utf-8")
    parse_policy(data)
    return data


def _cannot() -> Misuse:
    return Misuse(
        USAGE,
        "the policy is written in a way that cannot be edited without rewriting it",
        hint="Make it by hand, or write tables as [signers.NAME], [[rules]] and [revoked], and lists on one line.",
    )


def _set_in_block(text: str, header: str, number: int, name: str, value: object) -> str:
    """Replaces the line of a field below the `number`th such header, or adds it right below the header."""
    lines = text.split("\n")
    newline = "\r" if lines[0].endswith("\r") else ""
    starts = [i for i, line in enumerate(lines) if line.split("#")[0].strip() == header]
    if number >= len(starts):
        raise _cannot()
    start = starts[number]
    end = next((i for i in range(start + 1, len(lines)) if lines[i].lstrip().startswith("[")), len(lines))
    field = re.compile(rf"(\s*{re.escape(name)}\s*=\s*)[^#]*?(\s*#.*)?\r?")
    for i in range(start + 1, end):
        found = field.fullmatch(lines[i])
        if found:
            lines[i] = f"{found[1]}{_render_value(value)}{found[2] or ''}{newline}"
            return "\n".join(lines)
    lines.insert(start + 1, f"{name} = {_render_value(value)}{newline}")
    return "\n".join(lines)


def _render_table(header: str, fields: Fields) -> str:
    lines = [f"{name} = {_render_value(value)}" for name, value in fields.items()]
    return "\n".join(["", header, *lines, ""])


def _render_key(name: str) -> str:
    return name if re.fullmatch(r"[a-z0-9_-]+", name) else json.dumps(name)


def _render_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, str):
        # PEM and the like keep their lines; json.dumps escapes as TOML's basic strings do.
        if value.endswith("\n") and '"' not in value and "\\" not in value and value.isascii():
            return f'"""\n{value}"""'
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Sequence):
        return "[" + ", ".join(_render_value(item) for item in value) + "]"
    raise TypeError(type(value).__name__)
