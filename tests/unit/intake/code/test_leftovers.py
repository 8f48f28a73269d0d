"""What tools leave behind: notes for the harmless, refusals for what can hide something."""

from __future__ import annotations

import pytest

from ostiary.core.findings import Rule
from ostiary.core.limits import MAX_LEFTOVER_BYTES
from ostiary.intake.code.leftovers import is_leftover, judge_place
from ostiary.intake.rules import code as rules


@pytest.mark.parametrize(
    ("path", "head", "rule"),
    [
        (".cache/huggingface/download/model.safetensors.metadata", b"abc\n", rules.HUB_LEFTOVER),
        (".cache/huggingface/download/model.safetensors.lock", b"", rules.HUB_LEFTOVER),
        (".cache/huggingface/.gitignore", b"*\n", rules.HUB_LEFTOVER),
        (".cache/huggingface/CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55\n", rules.HUB_LEFTOVER),
        (".cache/huggingface/download/x.metadata", b"\0\1\2", rules.HIDDEN_DIRECTORY),
        (".cache/huggingface/download/x.incomplete", b"abc", rules.HIDDEN_DIRECTORY),
        (".cache/other/x.metadata", b"abc", rules.HIDDEN_DIRECTORY),
        ("sub/.cache/huggingface/x.metadata", b"abc", rules.HIDDEN_DIRECTORY),
        (".git/hooks/post-checkout", b"#!/bin/sh", rules.HIDDEN_DIRECTORY),
        (".GIT/config", b"", rules.HIDDEN_DIRECTORY),
        ("sub/.git/HEAD", b"ref: refs/heads/main\n", rules.HIDDEN_DIRECTORY),
        (".git", b"gitdir: /elsewhere\n", rules.HIDDEN_DIRECTORY),
        (".github/workflows/ci.yml", b"on: push\n", rules.HIDDEN_DIRECTORY),
        ("__pycache__/x.cpython-311.pyc", b"", rules.HIDDEN_DIRECTORY),
        ("config.json~", b"{}", rules.EDITOR_LEFTOVER),
        ("config.json.bak", b"{}", rules.EDITOR_LEFTOVER),
        (".#config.json", b"me@host", rules.EDITOR_LEFTOVER),
        (".DS_Store", b"\0\0\0\x01Bud1", rules.EDITOR_LEFTOVER),
        ("._config.json", b"\0\x05\x16\x07", rules.EDITOR_LEFTOVER),
        (".config.json.swp", b"b0VIM 9.0", rules.EDITOR_LEFTOVER),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", rules.EDITOR_LEFTOVER),
        ("._config.json", b"\0\0\0\0", None),
        (".config.json.swp", b"\x7fELF", None),
        ("config.json~", b"\0\1\2", None),
        ("config.json", b"{}", None),
        (".gitattributes", b"", None),
        ("adapter/adapters.safetensors", b"", None),
    ],
)
def test_places(path: str, head: bytes, rule: Rule | None) -> None:
    found = judge_place(path, head, len(head))
    assert (None if found is None else found.rule) == rule


def test_notes_of_a_hub_client_must_be_seen_whole() -> None:
    found = judge_place(".cache/huggingface/download/x.metadata", b"abc", 5000)
    assert found is not None
    assert found.rule is rules.HIDDEN_DIRECTORY


def test_a_large_leftover_is_none() -> None:
    assert is_leftover(".DS_Store", b"\0\0\0\x01Bud1", int(MAX_LEFTOVER_BYTES))
    assert not is_leftover(".DS_Store", b"\0\0\0\x01Bud1", MAX_LEFTOVER_BYTES + 1)
