"""A request held against what the model takes: closed forms, every field checked. Pure.

The engine checks once more behind the wall (a test holds the two together): there it protects MLX, here whoever
asks is told in time which field is wrong, and nothing that is wrong costs a worker's time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ostiary.contract.check_forms import check_form, check_tool_choice
from ostiary.contract.check_json import JsonCheck
from ostiary.contract.check_messages import check_messages
from ostiary.contract.check_terms import find_prompt_limit, hold_to_terms
from ostiary.contract.check_timeout import check_timeout
from ostiary.contract.fields import Fields, TextBudget, name_type
from ostiary.contract.text_contract import TextContract
from ostiary.contract.unfit import unfit
from ostiary.core.json_text import JsonValue
from ostiary.core.limits import (
    MAX_CALL_CHOICES,
    MAX_CALL_LOGPROBS,
    MAX_CALL_MESSAGES,
    MAX_LOGIT_BIASES,
    MAX_PENALTY_CONTEXT,
    MAX_REQUEST_TOKENS,
    MAX_STOP_CHARACTERS,
    MAX_STOP_TEXTS,
    MAX_TENANT_CHARACTERS,
)
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.core.terms.values import LanguageTerms
from ostiary.core.tickets import CheckedRequest
from ostiary.errors import CONTRACT_RANGE, CONTRACT_TOO_LONG, CONTRACT_TYPE

_MOST: Final = 100.0
"""Of temperature, of a penalty either way, and of a bias either way: beyond, nothing changes any more."""
_PENALTIES: Final = ("repetition_penalty", "presence_penalty", "frequency_penalty")
_LEAST_REPETITION: Final = 0.01
"""Of a repetition penalty that is not 0, which is none: scores divided by less overflow in numbers of 16 bits."""
_MAX_SEED: Final = (1 << 64) - 1
_ANY_JSON: Final[Mapping[str, JsonValue]] = {"type": "json_schema", "schema": {}}
POOLINGS: Final = ("mean", "last")

_Body = dict[str, JsonValue]


def check_request(request: ParsedRequest, contract: TextContract) -> CheckedRequest:
    """Raises ContractRefused, which names the field and what fits."""
    terms = contract.terms
    fields = Fields(request.fields, TextBudget(terms.text))
    body: _Body = {}
    if request.operation in _MEASURES:
        return _check_measure(request, fields, contract, body)
    prompt_tokens = _CHECKS[request.operation](fields, contract, body)
    choices = fields.integer("n", 1, MAX_CALL_CHOICES) or 1
    most = fields.integer("max_tokens", 1, max(1, contract.most_tokens // choices))
    if choices > 1:
        body["n"] = choices
    if most is not None:
        body["max_tokens"] = most
    _check_context(prompt_tokens, most, contract)
    _check_sampling(fields, contract, body)
    stop = _add_stops(_check_stop(fields), terms.output.stop)
    if stop:
        body["stop"] = [*stop]
    logprobs = fields.integer("logprobs", 0, MAX_CALL_LOGPROBS)
    if logprobs is not None:
        body["logprobs"] = logprobs
    _check_tenant(fields, body)
    json = JsonCheck(fields.budget)
    check_form(fields, json, body)
    if terms.output.is_json:  # the engine holds the answer to it while it writes
        body.setdefault("response_format", dict(_ANY_JSON))
    if request.operation is Operation.CHAT:
        check_tool_choice(fields, json, body)
    for name in ("show_special", "ignore_eos"):
        if fields.flag(name):
            body[name] = True
    if "response_format" in body and "ignore_eos" in body:
        raise unfit(CONTRACT_RANGE, "response_format", "and ignore_eos exclude one another")
    fields.finish()
    hold_to_terms(request, body, choices, terms)
    answer_limit = _check_answer_limit(most, terms)
    prompt_limit = find_prompt_limit(body, terms)
    told = {
        "prompt_limit": prompt_limit,
        "answer_limit": answer_limit if most is None else None,
        "context_limit": terms.context_tokens,
    }
    body.update({name: number for name, number in told.items() if number is not None})
    room = contract.most_tokens // choices
    return CheckedRequest(
        operation=request.operation,
        body=body,
        choices=choices,
        most_tokens=(room if answer_limit is None else min(room, answer_limit)) if most is None else most,
        token_ids=contract.token_ids,
        stop=stop,
        logprobs=logprobs,
        timeout_seconds=check_timeout(request.timeout_seconds),
        prompt_limit=prompt_limit,
        context_limit=terms.context_tokens,
        output=terms.output,
    )


def _check_measure(request: ParsedRequest, fields: Fields, contract: TextContract, body: _Body) -> CheckedRequest:
    """Where nothing is generated."""
    _MEASURES[request.operation](fields, contract, body)
    if request.operation is Operation.RENDER:
        check_tool_choice(fields, JsonCheck(fields.budget), body)
    fields.finish()
    hold_to_terms(request, body, 0, contract.terms)
    prompt_limit = None
    if request.operation is Operation.EMBED:
        prompt_limit = find_prompt_limit(body, contract.terms)
        limits = {"prompt_limit": prompt_limit, "context_limit": contract.terms.context_tokens}
        body.update({name: number for name, number in limits.items() if number is not None})
    return CheckedRequest(
        operation=request.operation,
        body=body,
        choices=0,
        most_tokens=0,
        token_ids=contract.token_ids,
        stop=(),
        logprobs=None,
        timeout_seconds=check_timeout(request.timeout_seconds),
        prompt_limit=prompt_limit,
        context_limit=contract.terms.context_tokens,
    )


def _check_embed(fields: Fields, contract: TextContract, body: _Body) -> int:
    """A text, or token ids."""
    value = fields.take("text")
    if isinstance(value, str):
        body["text"] = fields.text("text")
    else:
        ids = [_check_id(item, "text", contract) for item in fields.items("text", MAX_REQUEST_TOKENS) or ()]
        if not ids:
            raise unfit(CONTRACT_TYPE, "text", "is missing or has no tokens")
        body["text"] = [*ids]
    pooling = fields.word("pooling")
    if pooling is not None:
        if pooling not in POOLINGS:
            raise unfit(CONTRACT_RANGE, "pooling", f"is not one of {', '.join(POOLINGS)}")
        body["pooling"] = pooling
    return 0


def _check_generate(fields: Fields, contract: TextContract, body: _Body) -> int:
    """A text, or token ids; then how many."""
    value = fields.take("prompt")
    if isinstance(value, str):
        body["prompt"] = fields.text("prompt")
        if fields.flag("parse_special"):
            body["parse_special"] = True
        return 0
    if value is None:
        raise unfit(CONTRACT_TYPE, "prompt", "is missing")
    ids = [_check_id(item, "prompt", contract) for item in fields.items("prompt", MAX_REQUEST_TOKENS) or ()]
    if not ids:
        raise unfit(CONTRACT_TYPE, "prompt", "has no tokens")
    body["prompt"] = [*ids]
    return len(ids)


def _check_chat(fields: Fields, _contract: TextContract, body: _Body) -> int:
    json = JsonCheck(fields.budget)
    body["messages"] = check_messages(fields, json)
    for name in ("tools", "documents"):
        items = fields.items(name, MAX_CALL_MESSAGES)
        for place, item in enumerate(items or ()):
            if not isinstance(item, Mapping):
                raise unfit(CONTRACT_TYPE, f"{name}[{place}]", f"is {name_type(item)}, not an object")
        if items is not None:
            body[name] = json.check(items, name)
    options = fields.take("template_options")
    if options is not None:
        if not isinstance(options, Mapping):
            raise fields.wrong_type("template_options", options, "an object")
        body["template_options"] = json.check(options, "template_options")
    continues, adds = fields.flag("continue_final_message"), fields.flag("add_generation_prompt")
    if continues and adds:
        raise unfit(CONTRACT_RANGE, "continue_final_message", "and add_generation_prompt exclude one another")
    if continues:
        body["continue_final_message"] = True
    if adds is not None:
        body["add_generation_prompt"] = adds
    return 0


def _check_context(prompt_tokens: int, most: int | None, contract: TextContract) -> None:
    """As far as it can be told before the prompt is made of tokens."""
    if contract.context_tokens is None:
        return
    if prompt_tokens >= contract.context_tokens:
        detail = f"has {prompt_tokens:,} tokens; the context has {contract.context_tokens:,}"
        raise unfit(CONTRACT_TOO_LONG, "prompt", detail, "context_tokens", contract.context_tokens)
    if most is not None and max(prompt_tokens, 1) + most > contract.context_tokens:
        detail = f"and the prompt do not fit together; the context has {contract.context_tokens:,}"
        raise unfit(CONTRACT_TOO_LONG, "max_tokens", detail, "context_tokens", contract.context_tokens)


def _check_sampling(fields: Fields, contract: TextContract, body: _Body) -> None:
    most_top_k = (contract.token_ids or MAX_REQUEST_TOKENS) - 1
    sampling: dict[str, float | int | None] = {
        "temperature": fields.number("temperature", 0, _MOST),
        "top_p": fields.number("top_p", 0, 1),
        "top_k": fields.integer("top_k", 0, max(0, most_top_k)),
        "min_p": fields.number("min_p", 0, 1),
        "seed": fields.integer("seed", 0, _MAX_SEED),
    }
    for name in _PENALTIES:
        sampling[name] = fields.number(name, 0 if name == "repetition_penalty" else -_MOST, _MOST)
        context = name.replace("penalty", "context_size")
        sampling[context] = fields.integer(context, 1, MAX_PENALTY_CONTEXT)
    repetition = sampling["repetition_penalty"]
    if repetition is not None and 0 < repetition < _LEAST_REPETITION:
        detail = f"must be 0, which is none, or from {_LEAST_REPETITION:g} to {_MOST:g}"
        raise unfit(CONTRACT_RANGE, "repetition_penalty", detail, "range", (_LEAST_REPETITION, _MOST))
    body.update({name: value for name, value in sampling.items() if value is not None})
    bias = _check_bias(fields, contract)
    if bias:
        body["logit_bias"] = bias


def _check_bias(fields: Fields, contract: TextContract) -> _Body:
    """Token id to what is added to its logit."""
    value = fields.take("logit_bias")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise fields.wrong_type("logit_bias", value, "an object")
    if len(value) > MAX_LOGIT_BIASES:
        detail = f"has {len(value):,} entries; it may have {int(MAX_LOGIT_BIASES):,}"
        raise unfit(CONTRACT_TOO_LONG, "logit_bias", detail)
    bias: _Body = {}
    for name, amount in value.items():
        token = _check_id(_read_id(name), "logit_bias", contract)
        if str(token) in bias:
            raise unfit(CONTRACT_RANGE, "logit_bias", "names a token id twice")
        inner = Fields({str(token): amount}, fields.budget, "logit_bias.")
        number = inner.number(str(token), -_MOST, _MOST)
        if number is None:
            raise inner.wrong_type(str(token), amount, "a number")
        bias[str(token)] = number
    return bias


def _read_id(name: object) -> object:
    """As JSON writes it, or as a Python program does."""
    if isinstance(name, str) and name.isascii() and name.isdecimal() and len(name) < 12:
        return int(name)
    return name


def _check_id(value: object, field: str, contract: TextContract) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise unfit(CONTRACT_TYPE, field, f"holds {name_type(value)}, not a token id")
    high = contract.token_ids
    if value < 0 or value >= (1 << 31 if high is None else high):
        known = "" if high is None else f" of this model go from 0 to {high - 1:,}"
        limit = None if high is None else high
        raise unfit(CONTRACT_RANGE, field, f"holds what is no token id; ids{known}", "vocabulary", limit)
    return value


def _check_stop(fields: Fields) -> tuple[str, ...]:
    """One text, or several."""
    value = fields.take("stop")
    claimed = [value] if isinstance(value, str) else fields.items("stop", MAX_STOP_TEXTS) or ()
    stops = []
    for stop in claimed:
        if not isinstance(stop, str):
            raise fields.wrong_type("stop", stop, "a string")
        if not 0 < len(stop) <= MAX_STOP_CHARACTERS:
            detail = f"has a text of {len(stop):,} characters; it may have 1 to {int(MAX_STOP_CHARACTERS)}"
            raise unfit(CONTRACT_RANGE, "stop", detail)
        stops.append(fields.budget.check(stop, "stop"))
    return tuple(stops)


def _add_stops(asked: tuple[str, ...], always: tuple[str, ...]) -> tuple[str, ...]:
    """Every answer ends at those of the contract, too."""
    stops = tuple(dict.fromkeys((*asked, *always)))
    if always and len(stops) > MAX_STOP_TEXTS:
        room = int(MAX_STOP_TEXTS) - len(always)
        detail = f"may have {room} texts beside the {len(always)} at which this model's answers always end"
        raise unfit(CONTRACT_TOO_LONG, "stop", detail, "outputs.text.stop", room)
    return stops


def _check_answer_limit(most: int | None, terms: LanguageTerms) -> int | None:
    limit = terms.output.max_tokens
    if most is not None and limit is not None and most > limit:
        detail = f"is {most:,}; the contract allows {limit:,}"
        raise unfit(CONTRACT_TOO_LONG, "max_tokens", detail, "outputs.text.max_tokens", limit)
    return limit


def _check_tenant(fields: Fields, body: _Body) -> None:
    tenant = fields.word("tenant")
    if tenant is None:
        return
    if len(tenant) > MAX_TENANT_CHARACTERS:
        raise unfit(CONTRACT_TOO_LONG, "tenant", f"is longer than {int(MAX_TENANT_CHARACTERS)} characters")
    body["tenant"] = tenant


_CHECKS: Final[Mapping[Operation, Callable[[Fields, TextContract, _Body], int]]] = {
    Operation.GENERATE: _check_generate,
    Operation.CHAT: _check_chat,
}
_MEASURES: Final[Mapping[Operation, Callable[[Fields, TextContract, _Body], int]]] = {
    Operation.EMBED: _check_embed,
    Operation.RENDER: _check_chat,
}
