"""Of an engine's words a stranger reads those that the house knows, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

import ostiary
from ostiary.cell.answers import parse_error
from ostiary.core.call_sentences import list_sentences, tell_strangers
from ostiary.errors import render_public

ENGINE = Path(ostiary.__file__).parent / "worker" / "engines" / "language"


@pytest.mark.parametrize("sentence", list_sentences())
def test_every_sentence_of_the_list_is_said(sentence: str) -> None:
    said = "".join(path.read_text(encoding="utf-8") for path in ENGINE.glob("*.py"))
    named = (Path(ostiary.__file__).parent / "core" / "call_sentences.py").read_text(encoding="utf-8")
    constant = next((line.split(":")[0] for line in named.splitlines() if line.endswith(f'= "{sentence}"')), None)
    assert sentence in said or (constant is not None and constant in said)


@pytest.mark.parametrize(
    ("sentence", "is_told"),
    [
        ("the prompt has 500 tokens; the context has 128", True),
        ("12 tokens of prompt and 4 of answer do not fit; the context has 8", True),
        ("no value fits the schema", True),
        ("no value fits the schema of alice", False),
        ("the prompt has 99999999999 tokens; the context has 128", False),
        ("the prompt has 500 tokens; the context has 128\n/etc", False),
        ("the prompt has \u0661 tokens; the context has 128", False),
        ("the chat template has an option 'secret'", False),
        ("/home/alice/model", False),
    ],
)
def test_what_a_stranger_reads(sentence: str, is_told: bool) -> None:
    error = parse_error({"code": "WORKER_CALL_REFUSED", "sentence": sentence}, is_loading=False)
    assert tell_strangers(sentence) == (sentence if is_told else "")
    assert render_public(error, "id").detail == (sentence if is_told else "")


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("the chat template has no option 'secret'", "the chat template does not have all options that were given"),
        (
            "the chat template does not take these messages: 'secret'",
            "the chat template does not take these messages",
        ),
        ("the chat template fails on these messages (Secret)", "the chat template fails on these messages"),
    ],
)
def test_of_a_sentence_that_goes_on_with_words_of_others_a_stranger_reads_ours(sentence: str, told: str) -> None:
    error = parse_error({"code": "WORKER_CALL_REFUSED", "sentence": sentence}, is_loading=False)
    assert render_public(error, "id").detail == told
