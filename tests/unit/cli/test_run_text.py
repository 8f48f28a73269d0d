"""What a run says of itself, in a line or two, whatever its parts are called."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from ostiary.cli.run_text import (
    render_advice,
    render_hold,
    render_opened,
    render_speed,
    render_vouching,
    render_warnings,
)
from ostiary.library.verdict import Verdict

VERDICT = Verdict(
    model="llama",
    root="ab" * 32,
    model_id="acme/llama",
    model_version="1.2",
    signers=("key:" + "0123456789abcdef" * 4,),
    rule="key",
    is_enforced=True,
    objections=(),
    left_out=(),
    expires_at=None,
    sealed={"lease": 2},
    engine="language",
    layers=("environment", "landlock", "seccomp"),
    left_open=(),
    limits={"memory_bytes": 8 << 30, "wall_seconds": 600, "tokens": 131_072, "threads": 12},
    correlation_id="id",
)


def hold(verdict: Verdict = VERDICT, facts: Any = None, peak: int | None = 1 << 30) -> str:
    opened: Any = SimpleNamespace(verdict=verdict, claimed_facts=facts or {}, function=None)
    return render_hold(opened, peak)


def test_who_vouches_and_how_it_is_held() -> None:
    assert render_opened(VERDICT) == (
        "ostiary: acme/llama 1.2: vouched for by key 0123456789abcdef...; behind 3 layers, within 8.6 GB"
    )
    without_id = replace(VERDICT, model_id=None, model_version=None, left_open=("user",))
    assert render_opened(without_id).startswith("ostiary: llama: ")
    assert "behind 3 layers (not user)" in render_opened(without_id)


def test_several_signers_a_rule_and_nobody() -> None:
    signers = ("sigstore:release@acme.example", "key:ab")
    assert render_vouching(replace(VERDICT, signers=signers, rule="acme/*")) == (
        "vouched for by sigstore release@acme.example and 1 more (rule acme/*)"
    )
    assert render_vouching(replace(VERDICT, signers=())) == "nobody vouches for it"


def test_names_cannot_write_to_the_terminal() -> None:
    hostile = replace(
        VERDICT, model_id="a\x1b[2J", model_version=None, signers=("certificate:b\x1b]0;x\x07",), rule="\x9b"
    )
    assert render_opened(hostile).isprintable()
    assert hold(facts={"arithmetic": {"library": "\x1b[31mred" * 40}}).isprintable()


def test_warnings() -> None:
    assert render_warnings(VERDICT) == []
    lines = render_warnings(
        replace(VERDICT, is_enforced=False, objections=("TRUST_UNSIGNED",), left_open=("user",))
    )
    assert lines == [
        "ostiary: warning: it runs although it would be refused with TRUST_UNSIGNED",
        "ostiary: warning: its wall stands without user",
    ]


def test_what_was_enforced() -> None:
    assert hold() == "ostiary: peak 1.1 GB of 8.6 GB; enforced: all 3 layers, 600 s, 131,072 tokens"
    assert hold(peak=None).startswith("ostiary: 8.6 GB; ")
    assert ", by openblas; " in hold(facts={"arithmetic": {"library": "openblas"}})


@pytest.mark.parametrize("facts", [{"arithmetic": 3}, {"arithmetic": {}}, {"arithmetic": {"library": None}}])
def test_what_an_engine_says_need_not_make_sense(facts: Any) -> None:
    assert hold(facts=facts) == hold()


def test_speed_is_that_of_writing() -> None:
    assert render_speed(11, 3.0, 1.0) == ", 5.0 tokens/s"
    assert render_speed(1, 3.0, 1.0) == render_speed(0, 3.0, None) == render_speed(5, 1.0, 1.0) == ""


def test_who_may_not_know_of_chats_is_told() -> None:
    assert "--chat" in render_advice({"has_chat_template": True}, is_chat=False)
    assert render_advice({"has_chat_template": True}, is_chat=True) == ""
    assert render_advice({"has_chat_template": "yes"}, is_chat=False) == ""
