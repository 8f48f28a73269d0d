"""A run for people and for machines. docs/reference/run.schema.json is the promise on the latter. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary._version import __version__
from ostiary.cli import ui
from ostiary.core.requests import FinishReason
from ostiary.core.text import quote_untrusted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ostiary.core.requests import Piece
    from ostiary.errors import OstiaryError
    from ostiary.library.model import Stream
    from ostiary.library.opening import Opened
    from ostiary.library.result import Result
    from ostiary.library.verdict import Verdict

SCHEMA: Final = 1
_ENDS: Final = {FinishReason.STOP: "ended by the model", FinishReason.LENGTH: "ended at its limit of tokens"}
_SHORT: Final = 16
"""Digits of a key's id: enough to tell those of one house apart."""


# --- for machines ---


def describe_opened(verdict: Verdict) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "ostiary": __version__,
        "type": "opened",
        "model": verdict.model,
        "digest": f"sha256:{verdict.root}",
        "id": verdict.model_id,
        "version": verdict.model_version,
        "signers": [quote_untrusted(signer, 400) for signer in verdict.signers],
        "rule": verdict.rule,
        "is_enforced": verdict.is_enforced,
        "objections": list(verdict.objections),
        "left_out": list(verdict.left_out),
        "sealed": dict(verdict.sealed),
        "engine": verdict.engine,
        "layers": list(verdict.layers),
        "left_open": list(verdict.left_open),
        "limits": dict(verdict.limits),
        "correlation_id": verdict.correlation_id,
    }


def describe_piece(piece: Piece) -> dict[str, object]:
    thought = {"reasoning": piece.reasoning} if piece.reasoning else {}
    return {"type": "piece", "text": piece.text, **thought, "tokens": list(piece.tokens)}


def describe_answer(result: Result, peak_bytes: int | None) -> dict[str, object]:
    (choice,) = result.choices
    return {
        "type": "answer",
        "text": choice.text,
        **({"reasoning": choice.reasoning} if choice.reasoning else {}),
        "finish_reason": choice.finish_reason.value,
        "stop": choice.stop,
        "seed": result.seed,
        "usage": {
            "prompt_tokens": result.usage.prompt_tokens,
            "cached_tokens": result.usage.cached_tokens,
            "completion_tokens": result.usage.completion_tokens,
        },
        "seconds": round(result.timings.total_seconds, 6),
        "first_token_seconds": _round(result.timings.first_token_seconds),
        "peak_bytes": peak_bytes,
        "correlation_id": result.correlation_id,
    }


def describe_cancelled(stream: Stream) -> dict[str, object]:
    return {"type": "cancelled", "text": stream.text, "correlation_id": stream.correlation_id}


def describe_error(error: OstiaryError) -> dict[str, object]:
    return {
        "type": "error",
        "error": {"code": error.code, "message": error.message, "hint": error.hint},
        "correlation_id": error.correlation_id or "",
    }


def _round(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


# --- for people ---


def render_opened(verdict: Verdict) -> str:
    """One line: who vouches for it, and how it is held."""
    name = verdict.model
    if verdict.model_id is not None:
        version = "" if verdict.model_version is None else f" {verdict.model_version}"
        name = f"{quote_untrusted(verdict.model_id)}{version}"
    wall = f"{len(verdict.layers)} layers" if not verdict.left_open else _render_gap(verdict)
    memory = ui.render_bytes(verdict.limits["memory_bytes"])
    return f"ostiary: {name}: {render_vouching(verdict)}; behind {wall}, within {memory}"


def render_vouching(verdict: Verdict) -> str:
    if not verdict.signers:
        return "nobody vouches for it"
    signers = [_shorten(signer) for signer in verdict.signers]
    more = f" and {len(signers) - 1} more" if len(signers) > 1 else ""
    by_rule = "" if verdict.rule == "key" else f" (rule {quote_untrusted(verdict.rule)})"
    return f"vouched for by {signers[0]}{more}{by_rule}"


def render_warnings(verdict: Verdict) -> list[str]:
    """Said whatever is asked to be quiet."""
    lines = []
    if not verdict.is_enforced:
        lines.append(f"ostiary: warning: it runs although it would be refused with {', '.join(verdict.objections)}")
    if verdict.left_open:
        lines.append(f"ostiary: warning: its wall stands without {', '.join(verdict.left_open)}")
    return lines


def render_cost(stream: Stream) -> str:
    """How fast, and how much."""
    if not stream.is_finished:
        count = stream.completion_tokens
        return f"ostiary: {count:,} token{'s' * (count != 1)} came before it ended"
    result = stream.result
    usage, timings = result.usage, result.timings
    ended = _ENDS[result.finish_reason] if result.choices[0].stop is None else "ended by a stop text"
    first = timings.first_token_seconds
    when = "" if first is None else f", the first after {_render_seconds(first)}"
    speed = render_speed(usage.completion_tokens, timings.total_seconds, first)
    return f"ostiary: {usage.prompt_tokens:,} tokens in, {usage.completion_tokens:,} out{speed}{when}; {ended}"


def render_speed(tokens: int, seconds: float, first: float | None) -> str:
    """Of the tokens after the first, as reading the prompt is not writing."""
    if tokens > 1 and first is not None and seconds > first:
        return f", {(tokens - 1) / (seconds - first):,.1f} tokens/s"
    return ""


def render_hold(opened: Opened, peak_bytes: int | None) -> str:
    """What was enforced, and how near it came."""
    verdict = opened.verdict
    limits = verdict.limits
    peak = "" if peak_bytes is None else f"peak {ui.render_bytes(peak_bytes)} of "
    wall = f"all {len(verdict.layers)} layers" if not verdict.left_open else _render_gap(verdict)
    tokens = "" if opened.function is not None else f", {limits['tokens']:,} tokens"
    return (
        f"ostiary: {peak}{ui.render_bytes(limits['memory_bytes'])}{_render_arithmetic(opened.claimed_facts)}; "
        f"enforced: {wall}, {limits['wall_seconds']:,} s{tokens}"
    )


def render_advice(facts: Mapping[str, object], *, is_chat: bool) -> str:
    """For somebody who may not know what kind of model it is; "" where there is nothing to say."""
    if is_chat or facts.get("has_chat_template") is not True:
        return ""
    return "ostiary: it has a chat template: with --chat the prompt is a message to it"


def _render_arithmetic(facts: Mapping[str, object]) -> str:
    """By what it was computed, as the engine says."""
    told = facts.get("arithmetic")
    library = told.get("library") if isinstance(told, dict) else facts.get("library")
    return f", by {quote_untrusted(library, 40)}" if isinstance(library, str) else ""


def _render_gap(verdict: Verdict) -> str:
    return f"{len(verdict.layers)} layers (not {', '.join(verdict.left_open)})"


def _render_seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:,.0f} s"


def _shorten(signer: str) -> str:
    method, _, name = signer.partition(":")
    shown = f"{name[:_SHORT]}..." if method == "key" and len(name) > _SHORT else quote_untrusted(name, 100)
    return f"{method} {shown}"
