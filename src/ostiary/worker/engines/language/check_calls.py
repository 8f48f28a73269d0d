"""What a call may say: closed forms, every field checked before anything is done with it.

A field that is not known is refused by its name, never ignored. What depends on the model (its vocabulary, its
context) is held against `Bounds`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from ostiary.core.answer_forms import ToolPlan, ToolUse
from ostiary.core.json_text import JsonValue, describe_type
from ostiary.core.limits import (
    MAX_CALL_CHOICES,
    MAX_CALL_LOGPROBS,
    MAX_CALL_MESSAGES,
    MAX_LOGIT_BIASES,
    MAX_PENALTY_CONTEXT,
    MAX_STOP_CHARACTERS,
    MAX_STOP_TEXTS,
    MAX_TENANT_CHARACTERS,
)
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.worker.engines.contract import CallUnfit, JsonObject
from ostiary.worker.engines.language.check_forms import check_form, check_tools, drop_strictness
from ostiary.worker.engines.language.control_tokens import holds_reserved
from ostiary.worker.engines.language.options import (
    CONTRACT_LIMITS,
    USUAL_PENALTY_CONTEXT,
    ContractLimits,
    Generation,
    Penalties,
    Sampling,
)

ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})
_MOST_TOKENS: Final = (1 << 31) - 1
_MAX_PENALTY: Final = 100.0
_LEAST_REPETITION: Final = 0.01
_MAX_TEMPERATURE: Final = 100.0
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the model has room for."""

    rows: int
    """Token ids that the embedding can look up: 0 to rows - 1."""
    context_tokens: int
    max_tokens: int
    """Of all choices of one call together."""


@dataclass(frozen=True, slots=True)
class GenerateCall:
    prompt: str | tuple[int, ...]
    parse_special: bool
    generation: Generation


@dataclass(frozen=True, slots=True)
class ChatCall:
    messages: tuple[Mapping[str, JsonValue], ...]
    tools: tuple[JsonValue, ...] | None
    documents: tuple[JsonValue, ...] | None
    options: Mapping[str, JsonValue]
    add_generation_prompt: bool
    continue_final_message: bool
    generation: Generation | None
    """None: the template is only rendered."""
    plan: ToolPlan = ToolPlan()


@dataclass(frozen=True, slots=True)
class TokenizeCall:
    text: str
    parse_special: bool
    add_special: bool


@dataclass(frozen=True, slots=True)
class DetokenizeCall:
    tokens: tuple[int, ...]
    show_special: bool


@dataclass(frozen=True, slots=True)
class EmbedCall:
    text: str | tuple[int, ...]
    parse_special: bool
    pooling: str
    is_normalized: bool
    limits: ContractLimits = ContractLimits()


LanguageCall = GenerateCall | ChatCall | TokenizeCall | DetokenizeCall | EmbedCall
_POOLINGS: Final = ("mean", "last")


def parse_call(operation: str, body: JsonObject, bounds: Bounds) -> LanguageCall:
    """Raises CallUnfit, saying which field does not fit and why."""
    parse = _OPERATIONS.get(operation)
    if parse is None:
        raise CallUnfit(f"there is no operation '{quote_untrusted(operation)}'")
    fields = _Fields(body)
    call = parse(fields, bounds)
    fields.refuse_unread()
    return call


class _Fields:
    """The members of an object; each is read once, and in the end none may be left."""

    def __init__(self, values: JsonObject, where: str = "") -> None:
        self._values: Final = values
        self._unread: Final = set(values)
        self._where: Final = where

    def take(self, name: str) -> JsonValue:
        self._unread.discard(name)
        return self._values.get(name)

    def name(self, name: str) -> str:
        return f"{self._where}{name}"

    def refuse_unread(self) -> None:
        if self._unread:
            raise CallUnfit(f"there is no field '{quote_untrusted(self.name(min(self._unread)))}'")

    def wrong(self, name: str, value: JsonValue, wanted: str) -> CallUnfit:
        return CallUnfit(f"{self.name(name)} is {describe_type(value)}, not {wanted}")

    def text(self, name: str) -> str:
        value = self.take(name)
        if not isinstance(value, str):
            raise self.wrong(name, value, "a string")
        if holds_reserved(value):
            raise CallUnfit(f"{self.name(name)} holds characters that are reserved: U+10C000 and up")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        value = self.take(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.wrong(name, value, "a boolean")
        return value

    def integer(self, name: str, low: int, high: int) -> int | None:
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(name, value, "an integer")
        if not low <= value <= high:
            raise CallUnfit(f"{self.name(name)} is {value}; it must be from {low} to {high}")
        return value

    def number(self, name: str, low: float, high: float) -> float | None:
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.wrong(name, value, "a number")
        if not math.isfinite(value) or not low <= value <= high:
            raise CallUnfit(f"{self.name(name)} must be from {low:g} to {high:g}")
        return float(value)

    def list_of(self, name: str, most: int) -> list[JsonValue] | None:
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, list):
            raise self.wrong(name, value, "a list")
        if len(value) > most:
            raise CallUnfit(f"{self.name(name)} has {len(value)} entries; it may have {most}")
        return value

    def object_of(self, name: str) -> dict[str, JsonValue] | None:
        value = self.take(name)
        if value is not None and not isinstance(value, dict):
            raise self.wrong(name, value, "an object")
        return value


def _parse_generate(fields: _Fields, bounds: Bounds) -> GenerateCall:
    prompt = fields.take("prompt")
    if isinstance(prompt, list):
        ids = check_ids(prompt, "prompt", bounds)
        return GenerateCall(ids, parse_special=False, generation=_parse_generation(fields, bounds))
    return GenerateCall(
        prompt=fields.text("prompt"),
        parse_special=fields.flag("parse_special"),
        generation=_parse_generation(fields, bounds),
    )


def _parse_chat(fields: _Fields, bounds: Bounds) -> ChatCall:
    return _parse_conversation(fields, _parse_generation(fields, bounds))


def _parse_render(fields: _Fields, bounds: Bounds) -> ChatCall:  # noqa: ARG001  one form for all operations
    return _parse_conversation(fields, None)


def _parse_conversation(fields: _Fields, generation: Generation | None) -> ChatCall:
    messages = fields.list_of("messages", MAX_CALL_MESSAGES)
    if not messages:
        raise CallUnfit("messages is missing or empty")
    tools, documents = (fields.list_of(name, MAX_CALL_MESSAGES) for name in ("tools", "documents"))
    continues = fields.flag("continue_final_message")
    adds = fields.flag("add_generation_prompt", default=not continues)
    if continues and adds:
        raise CallUnfit("continue_final_message and add_generation_prompt exclude one another")
    for name, items in (("tools", tools), ("documents", documents)):
        for place, item in enumerate(items or ()):
            if not isinstance(item, dict):
                raise CallUnfit(f"{name}[{place}] is {describe_type(item)}, not an object")
    options = fields.object_of("template_options") or {}
    for value in (tools, documents, options):
        refuse_reserved(value)
    plan = check_tools(
        tools,
        fields.take("tool_choice"),
        is_parallel=fields.flag("parallel_tool_calls", default=True),
        is_held=generation is not None and generation.schema is not None,
    )
    return ChatCall(
        messages=tuple(_parse_message(message, place) for place, message in enumerate(messages)),
        tools=None if tools is None or plan.use is ToolUse.NONE else tuple(map(drop_strictness, tools)),
        documents=None if documents is None else tuple(documents),
        options=options,
        add_generation_prompt=adds,
        continue_final_message=continues,
        generation=generation,
        plan=plan,
    )


def _parse_message(message: JsonValue, place: int) -> dict[str, JsonValue]:
    where = f"messages[{place}]"
    if not isinstance(message, dict):
        raise CallUnfit(f"{where} is {describe_type(message)}, not an object")
    fields = _Fields(message, f"{where}.")
    role = fields.text("role")
    if role not in ROLES:
        raise CallUnfit(f"{where}.role is not one of {', '.join(sorted(ROLES))}")
    made: dict[str, JsonValue] = {"role": role, "content": _parse_content(fields)}
    for name in ("name", "tool_call_id", "reasoning_content"):
        if fields.take(name) is not None:
            made[name] = fields.text(name)
    calls = fields.list_of("tool_calls", MAX_CALL_MESSAGES)
    for entry, call in enumerate(calls or ()):
        if not isinstance(call, dict):
            raise CallUnfit(f"{where}.tool_calls[{entry}] is {describe_type(call)}, not an object")
    made["tool_calls"] = calls
    fields.refuse_unread()
    refuse_reserved(calls)
    if made["content"] is None and not calls:
        raise CallUnfit(f"{where} has no content")
    return {name: value for name, value in made.items() if value is not None}


def _parse_content(fields: _Fields) -> JsonValue:
    """A text, or parts of type text, which are one text together."""
    value = fields.take("content")
    if value is None:
        return None
    if isinstance(value, str):
        return fields.text("content")
    parts = fields.list_of("content", MAX_CALL_MESSAGES) or []
    texts: list[str] = []
    for place, part in enumerate(parts):
        where = fields.name(f"content[{place}]")
        if not isinstance(part, dict):
            raise CallUnfit(f"{where} is {describe_type(part)}, not an object")
        inner = _Fields(part, f"{where}.")
        if inner.take("type") != "text":
            raise CallUnfit(f"{where} is not of type text; this model takes no other")
        texts.append(inner.text("text"))
        inner.refuse_unread()
    return "".join(texts)


def _parse_tokenize(fields: _Fields, bounds: Bounds) -> TokenizeCall:  # noqa: ARG001  one form for all operations
    return TokenizeCall(
        text=fields.text("text"),
        parse_special=fields.flag("parse_special"),
        add_special=fields.flag("add_special", default=True),
    )


def _parse_detokenize(fields: _Fields, bounds: Bounds) -> DetokenizeCall:
    tokens = fields.take("tokens")
    if not isinstance(tokens, list):
        raise fields.wrong("tokens", tokens, "a list")
    return DetokenizeCall(check_ids(tokens, "tokens", bounds), fields.flag("show_special"))


def _parse_embed(fields: _Fields, bounds: Bounds) -> EmbedCall:
    text = fields.take("text")
    pooling = fields.take("pooling")
    if pooling is None:
        pooling = _POOLINGS[0]
    if not isinstance(pooling, str) or pooling not in _POOLINGS:
        raise CallUnfit(f"pooling is not one of {', '.join(_POOLINGS)}")
    return EmbedCall(
        text=check_ids(text, "text", bounds) if isinstance(text, list) else fields.text("text"),
        parse_special=fields.flag("parse_special"),
        pooling=pooling,
        is_normalized=fields.flag("normalize", default=True),
        limits=_parse_limits(fields),
    )


def _parse_generation(fields: _Fields, bounds: Bounds) -> Generation:
    choices = fields.integer("n", 1, MAX_CALL_CHOICES) or 1
    tenant = fields.take("tenant")
    if tenant is not None and len(fields.text("tenant")) > MAX_TENANT_CHARACTERS:
        raise CallUnfit(f"tenant is longer than {int(MAX_TENANT_CHARACTERS)} characters")
    schema = check_form(fields.take("response_format"))
    ignores_end = fields.flag("ignore_eos")
    if schema is not None and ignores_end:
        raise CallUnfit("response_format and ignore_eos exclude one another")
    return Generation(
        max_tokens=fields.integer("max_tokens", 1, bounds.max_tokens // choices),
        sampling=_parse_sampling(fields, bounds),
        stop=_parse_stop(fields),
        logprobs=fields.integer("logprobs", 0, MAX_CALL_LOGPROBS),
        choices=choices,
        tenant=tenant if isinstance(tenant, str) else None,
        show_special=fields.flag("show_special"),
        ignore_eos=ignores_end,
        schema=schema,
        limits=_parse_limits(fields),
    )


def _parse_limits(fields: _Fields) -> ContractLimits:
    return ContractLimits(*(fields.integer(name, 1, _MOST_TOKENS) for name in CONTRACT_LIMITS))


def _parse_sampling(fields: _Fields, bounds: Bounds) -> Sampling:
    top_k = fields.integer("top_k", 0, bounds.rows - 1)
    repetition = fields.number("repetition_penalty", 0, _MAX_PENALTY)
    if repetition and repetition < _LEAST_REPETITION:
        raise CallUnfit(f"repetition_penalty must be 0, or from {_LEAST_REPETITION:g} to {_MAX_PENALTY:g}")
    return Sampling(
        temperature=_or(fields.number("temperature", 0, _MAX_TEMPERATURE), 0.0),
        top_p=_or(fields.number("top_p", 0, 1), 1.0),
        top_k=_or(top_k, 0),
        min_p=_or(fields.number("min_p", 0, 1), 0.0),
        seed=fields.integer("seed", 0, (1 << 64) - 1),
        bias=_parse_bias(fields, bounds),
        penalties=Penalties(
            repetition=repetition,
            repetition_context=_parse_context(fields, "repetition_context_size"),
            presence=fields.number("presence_penalty", -_MAX_PENALTY, _MAX_PENALTY),
            presence_context=_parse_context(fields, "presence_context_size"),
            frequency=fields.number("frequency_penalty", -_MAX_PENALTY, _MAX_PENALTY),
            frequency_context=_parse_context(fields, "frequency_context_size"),
        ),
    )


def _parse_context(fields: _Fields, name: str) -> int:
    return _or(fields.integer(name, 1, MAX_PENALTY_CONTEXT), USUAL_PENALTY_CONTEXT)


def _parse_bias(fields: _Fields, bounds: Bounds) -> dict[int, float] | None:
    claimed = fields.object_of("logit_bias")
    if not claimed:
        return None
    if len(claimed) > MAX_LOGIT_BIASES:
        raise CallUnfit(f"logit_bias has {len(claimed)} entries; it may have {int(MAX_LOGIT_BIASES)}")
    inner = _Fields(claimed, "logit_bias.")
    bias: dict[int, float] = {}
    for name in claimed:
        if not (name.isascii() and name.isdecimal() and len(name) < 12) or int(name) >= bounds.rows:
            raise CallUnfit(f"logit_bias names '{quote_untrusted(name)}', which is no token id of this model")
        value = inner.number(name, -_MAX_PENALTY, _MAX_PENALTY)
        if value is None:
            raise inner.wrong(name, None, "a number")
        bias[int(name)] = value
    if len(bias) < len(claimed):
        raise CallUnfit("logit_bias names a token id twice")
    return bias


def _parse_stop(fields: _Fields) -> tuple[str, ...]:
    claimed = fields.take("stop")
    stops = [claimed] if isinstance(claimed, str) else fields.list_of("stop", MAX_STOP_TEXTS) or []
    for stop in stops:
        if not isinstance(stop, str):
            raise fields.wrong("stop", stop, "a string")
        if not stop or len(stop) > MAX_STOP_CHARACTERS:
            raise CallUnfit(f"a stop text must have from 1 to {int(MAX_STOP_CHARACTERS)} characters")
    return tuple(stop for stop in stops if isinstance(stop, str))


def check_ids(claimed: Sequence[JsonValue], name: str, bounds: Bounds) -> tuple[int, ...]:
    """Token ids that the embedding has rows for: MLX would read past its end."""
    ids: list[int] = []
    for number in claimed:
        if not isinstance(number, int) or isinstance(number, bool):
            raise CallUnfit(f"{name} holds {describe_type(number)}, not a token id")
        if not 0 <= number < bounds.rows:
            raise CallUnfit(f"{name} holds {number}; token ids of this model go from 0 to {bounds.rows - 1}")
        ids.append(number)
    return tuple(ids)


def refuse_reserved(value: JsonValue) -> None:
    """Wherever in it."""
    if isinstance(value, str):
        if holds_reserved(value):
            raise CallUnfit("a text holds characters that are reserved: U+10C000 and up")
    elif isinstance(value, list | tuple):
        for item in value:
            refuse_reserved(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            refuse_reserved(name)
            refuse_reserved(item)


def _or(value: _T | None, default: _T) -> _T:
    return default if value is None else value


_OPERATIONS: Final[Mapping[str, Callable[[_Fields, Bounds], LanguageCall]]] = {
    "generate": _parse_generate,
    "chat": _parse_chat,
    "render_template": _parse_render,
    "tokenize": _parse_tokenize,
    "detokenize": _parse_detokenize,
    "embed": _parse_embed,
}
OPERATIONS: Final = tuple(_OPERATIONS)
