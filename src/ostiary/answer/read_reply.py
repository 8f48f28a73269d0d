"""What a worker says in a reply, read field by field. Pure; raises ReplyMalformed, whose text is ours alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from ostiary.core.json_text import JsonValue
from ostiary.core.limits import MAX_TOKEN_BYTES, MAX_TOKEN_ID
from ostiary.core.requests import FinishReason, Operation, Piece, TokenLogprob
from ostiary.core.thought_styles import Thinking, ThoughtStyle
from ostiary.core.tickets import CheckedRequest
from ostiary.core.values import dataclass

_LAST_COUNT: Final = (1 << 53) - 1
_MAX_SEED: Final = (1 << 64) - 1
_MAX_LOGPROB: Final = 1.0
"""It is 0 at most; 16-bit numbers round to a little above."""


class ReplyMalformed(ValueError):
    """No honest engine says this."""


@dataclass(frozen=True, slots=True)
class EndOfChoice:
    """How a worker says that one answer ended."""

    finish: FinishReason
    stop: str | None
    tokens: int


@dataclass(frozen=True, slots=True)
class EndOfAnswer:
    """What a worker says in the end."""

    choices: tuple[EndOfChoice, ...]
    seed: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


def read_piece(body: Mapping[str, JsonValue], request: CheckedRequest) -> Piece:
    names = {"choice", "tokens", "text"} | ({"logprobs"} if request.logprobs is not None else set())
    _check_names(body, names | (body.keys() & {"prompt_tokens", "thinking"}), "a piece")
    tokens = tuple(_read_token(token, request) for token in _read_list(body["tokens"], "tokens"))
    logprobs = None
    if request.logprobs is not None:
        told = _read_list(body["logprobs"], "log-probabilities")
        if len(told) != len(tokens):
            raise ReplyMalformed("log-probabilities of other tokens than came")
        logprobs = tuple(_read_odds(item, token, request) for item, token in zip(told, tokens, strict=True))
    text = _read_text(body["text"])
    thinking = _read_thinking(body["thinking"], request) if "thinking" in body else None
    return Piece(text, tokens, _read_choice(body["choice"], request), logprobs, written=text, thinking=thinking)


def read_prompt_tokens(body: Mapping[str, JsonValue]) -> int | None:
    """Of a piece: how many tokens the prompt has, which the first of each answer tells."""
    return _read_count(body["prompt_tokens"]) if "prompt_tokens" in body else None


def read_end(body: Mapping[str, JsonValue], request: CheckedRequest) -> EndOfAnswer:
    _check_names(body, {"choices", "seed", "usage"}, "a result")
    told = _read_list(body["choices"], "choices")
    if len(told) != request.choices:
        raise ReplyMalformed("another number of answers than was asked for")
    usage = body["usage"]
    if not isinstance(usage, dict):
        raise ReplyMalformed("a usage that is none")
    _check_names(usage, {"prompt_tokens", "cached_tokens", "completion_tokens"}, "a usage")
    counts = [_read_count(usage[name]) for name in ("prompt_tokens", "cached_tokens", "completion_tokens")]
    if counts[1] > counts[0]:
        raise ReplyMalformed("more tokens known from before than the prompt has")
    seed = body["seed"]
    if not _is_integer(seed, _MAX_SEED) or request.body.get("seed", seed) != seed:
        raise ReplyMalformed("another seed than was asked for")
    ends = tuple(_read_end_of_choice(item, place, request) for place, item in enumerate(told))
    return EndOfAnswer(ends, int(str(seed)), *counts)


def _read_thinking(value: JsonValue, request: CheckedRequest) -> Thinking:
    if request.operation is not Operation.CHAT or not isinstance(value, dict):
        raise ReplyMalformed("thoughts where there are none")
    _check_names(value, {"style", "is_begun"}, "thoughts")
    style = next((style for style in ThoughtStyle if style == value["style"]), None)
    is_begun = value["is_begun"]
    if style is None or not isinstance(is_begun, bool):
        raise ReplyMalformed("thoughts in no manner that is known")
    return Thinking(style, is_begun)


def _read_end_of_choice(item: JsonValue, place: int, request: CheckedRequest) -> EndOfChoice:
    if not isinstance(item, dict):
        raise ReplyMalformed("a choice that is none")
    _check_names(item, {"choice", "finish", "stop", "tokens"}, "a choice")
    if _read_choice(item["choice"], request) != place:
        raise ReplyMalformed("choices out of order")
    finish = next((reason for reason in FinishReason if reason == item["finish"]), None)
    stop = item["stop"]
    if finish is None or not (stop is None or (stop in request.stop and finish is FinishReason.STOP)):
        raise ReplyMalformed("an end for no known reason")
    return EndOfChoice(finish, None if stop is None else str(stop), _read_count(item["tokens"]))


def _read_odds(item: JsonValue, token: int, request: CheckedRequest) -> TokenLogprob:
    if not isinstance(item, dict):
        raise ReplyMalformed("a log-probability that is none")
    _check_names(item, {"token", "text", "bytes", "logprob", "top"}, "a log-probability")
    top = _read_list(item["top"], "likeliest tokens")
    if len(top) > (request.logprobs or 0):
        raise ReplyMalformed("more of the likeliest tokens than were asked for")
    rest = {name: value for name, value in item.items() if name != "top"}
    own = _read_likely(rest, request, tuple(_read_likely(likely, request) for likely in top))
    if own.token != token:
        raise ReplyMalformed("a log-probability of another token")
    return own


def _read_likely(item: JsonValue, request: CheckedRequest, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
    if not isinstance(item, dict):
        raise ReplyMalformed("a log-probability that is none")
    _check_names(item, {"token", "text", "bytes", "logprob"}, "a log-probability")
    raw = _read_list(item["bytes"], "bytes")
    if len(raw) > MAX_TOKEN_BYTES or not all(_is_integer(byte, 255) for byte in raw):
        raise ReplyMalformed("bytes that are none")
    logprob = item["logprob"]
    if isinstance(logprob, bool) or not isinstance(logprob, int | float):
        raise ReplyMalformed("a log-probability that is no number")
    if not math.isfinite(logprob) or logprob > _MAX_LOGPROB:
        raise ReplyMalformed("a log-probability that cannot be")
    text = _read_text(item["text"])
    return TokenLogprob(
        token=_read_token(item["token"], request),
        text=text,
        raw=bytes(int(str(byte)) for byte in raw),
        logprob=float(logprob),
        top=top,
    )


def _check_names(body: Mapping[str, JsonValue], names: set[str], what: str) -> None:
    if set(body) != names:
        raise ReplyMalformed(f"{what} with other fields than it has")


def _read_list(value: JsonValue, what: str) -> list[JsonValue]:
    if not isinstance(value, list):
        raise ReplyMalformed(f"{what} that are no list")
    return value


def _read_text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise ReplyMalformed("a text that is none")
    return value


def _read_token(value: JsonValue, request: CheckedRequest) -> int:
    if not _is_integer(value, MAX_TOKEN_ID if request.token_ids is None else request.token_ids - 1):
        raise ReplyMalformed("a token that the model does not have")
    return int(str(value))


def _read_choice(value: JsonValue, request: CheckedRequest) -> int:
    if not _is_integer(value, request.choices - 1):
        raise ReplyMalformed("a choice that nobody asked for")
    return int(str(value))


def _read_count(value: JsonValue) -> int:
    if not _is_integer(value, _LAST_COUNT):
        raise ReplyMalformed("a count that is none")
    return int(str(value))


def _is_integer(value: JsonValue, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
