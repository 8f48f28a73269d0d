"""Requests that a contract must let through, and others that it must not, made from the contract itself. Pure.

Each bound gives one just within and one just past it. They say what a contract does, not whether it is wise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ostiary.contract.text_contract import TextContract
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.core.terms.characters import CharacterClass
from ostiary.core.terms.values import (
    DOCUMENTS,
    MESSAGES,
    PROMPT,
    PROMPT_IDS,
    TEMPLATE_OPTIONS,
    TEXT,
    TEXT_IDS,
    TOOLS,
    Action,
    ParameterTerms,
    Span,
)
from ostiary.core.terms.vocabulary import ASKED, CHOICES, DIMS, INPUTS, PARAMETERS, ROLES
from ostiary.core.values import dataclass

_WORD: Final = "hello"
_TEXTS: Final = frozenset({PROMPT, MESSAGES, TEXT})
_TOOL: Final = {"type": "function", "function": {"name": "f", "parameters": {}}}
_LONGEST: Final = 200_000
"""Characters; longer texts only cost."""
_EXAMPLES: Final[Mapping[CharacterClass, str]] = {
    CharacterClass.CONTROL: "\x1b",
    CharacterClass.BIDI: "\u202e",
    CharacterClass.DIRECTION_MARKS: "\u200f",
    CharacterClass.JOINERS: "\u200d",
    CharacterClass.VARIATION: "\ufe0f",
    CharacterClass.TAGS: "\U000e0041",
    CharacterClass.INVISIBLE: "\u200b",
    CharacterClass.PRIVATE: "\ue000",
    CharacterClass.UNASSIGNED: "\U0003fffd",
}
_CONTROL_TOKENS: Final = "<|im_end|><|im_start|>system</s>[INST]<|eot_id|><think>"
_UNNORMAL: Final = {"NFC": "e\u0301", "NFD": "\u00e9", "NFKC": "\ufb01", "NFKD": "\ufb01"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One request, and which rule must refuse it."""

    name: str
    request: ParsedRequest
    rule: str | None = None
    """None: none may."""
    asks_engine: bool = False
    """Whether only the engine can tell, as it counts tokens."""


def make_samples(contract: TextContract) -> Iterator[Sample]:
    """In the order of the contract's fields."""
    maker = _Maker(contract)
    yield from maker.sample_inputs()
    yield from maker.sample_dims()
    yield from maker.sample_lengths()
    yield from maker.sample_parameters()
    yield from maker.sample_text()
    yield from maker.sample_output()


class _Maker:
    def __init__(self, contract: TextContract) -> None:
        self._contract: Final = contract
        self._terms: Final = contract.terms
        taken = self._terms.inputs
        self._main = next(name for name in (PROMPT, MESSAGES, TEXT, *ASKED) if name in taken)
        self._generates: Final = not taken.keys().isdisjoint({PROMPT, MESSAGES, PROMPT_IDS})
        if self._generates and self._main == TEXT:  # a vector has no options
            self._main = PROMPT_IDS
        self._reads_text: Final = self._main in _TEXTS

    def sample_inputs(self) -> Iterator[Sample]:
        for name in INPUTS:
            if name in {TOOLS, DOCUMENTS, TEMPLATE_OPTIONS} and MESSAGES not in self._terms.inputs:
                continue
            is_taken = name in self._terms.inputs
            told = f"{name} {'is' if is_taken else 'is not'} taken"
            yield Sample(told, self._ask_with(name), None if is_taken else "inputs")
        messages = self._terms.inputs.get(MESSAGES)
        for role in ROLES if messages is not None else ():
            is_taken = messages is None or messages.roles is None or role in messages.roles
            asked = self._chat(role=role)
            yield Sample(f"a message of the role {role}", asked, None if is_taken else "inputs.messages.roles")
        yield Sample("a field that nobody knows", self._ask(no_such_field=1), "unknown_field")

    def sample_dims(self) -> Iterator[Sample]:
        for name, bounds in self._terms.dims.items():
            house, rule = DIMS[name], f"dims.{name}"
            if name == CHOICES:
                if self._generates:
                    yield Sample(f"n of {bounds.most}", self._ask(n=bounds.most), None)
                if self._generates and bounds.most < house.most:
                    yield Sample(f"n of {bounds.most + 1}", self._ask(n=bounds.most + 1), f"{rule}.max")
                continue
            counts = [(bounds.most, None), (bounds.most + 1, f"{rule}.max")]
            counts += [(bounds.least - 1, f"{rule}.min")] if bounds.least > max(1, house.least) else []
            for count, refused in counts:
                if count <= house.most and self._fits_context(name, count):
                    yield Sample(f"{name}: {count:,}", self._ask_many(name, count), refused)

    def sample_lengths(self) -> Iterator[Sample]:
        for name, item in self._terms.inputs.items():
            most = item.max_characters
            if most is not None and most < _LONGEST and name in _TEXTS:
                yield Sample(f"{name} of {most:,} characters", self._ask_text(name, "a" * most), None)
                rule = f"inputs.{name}.max_characters"
                yield Sample(f"{name} of {most + 1:,} characters", self._ask_text(name, "a" * (most + 1)), rule)
            tokens, words = item.max_tokens, "a " * ((item.max_tokens or 0) + 1)
            if tokens is not None and len(words) <= (most or _LONGEST):
                rule = f"inputs.{name}.max_tokens"
                asked = self._ask_text(name, words)
                yield Sample(f"{name} of more than {tokens:,} tokens", asked, rule, asks_engine=True)
        for name in (PROMPT_IDS, TEXT_IDS):
            if name in self._terms.inputs and self._contract.token_ids is not None:
                yield from self._sample_ids(name, self._contract.token_ids)

    def _sample_ids(self, name: str, high: int) -> Iterator[Sample]:
        last = int((self._terms.inputs[name].ids or Span(0, high - 1)).most)
        rule = "vocabulary" if last + 1 >= high else f"inputs.{name}.range"
        for number, refused in ((last, None), (last + 1, rule)):
            asked = self._ask_ids(name, [number] * self._least_ids)
            yield Sample(f"{name}: the token id {number:,}", asked, refused)

    def sample_parameters(self) -> Iterator[Sample]:
        offered = self._terms.parameters
        if not self._generates:
            return
        for name, word in PARAMETERS.items():
            if name in {"parse_special", "add_generation_prompt", "continue_final_message", "response_format"}:
                continue  # they belong to one kind of request, or stand for more than a bound
            if offered is not None and name not in offered:
                if word.span is not None and name != "logit_bias":
                    yield Sample(f"{name} is not offered", self._ask(**{name: word.span.least}), "parameters")
                elif word.is_flag and name != "parallel_tool_calls":
                    yield Sample(f"{name} is not offered", self._ask(**{name: True}), "parameters")
                continue
            terms = (offered or {}).get(name, ParameterTerms())
            if word.span is not None and name not in {"logit_bias", "top_k"}:
                yield from self._sample_span(name, terms.span, word.span)

    def _sample_span(self, name: str, own: Span | None, house: Span) -> Iterator[Sample]:
        span = own or house
        for value in (span.least, span.most):
            yield Sample(f"{name} of {value:g}", self._ask(**{name: value}), None)
        past = span.most + 1
        rule = "range" if past > house.most else f"parameters.{name}.range"
        yield Sample(f"{name} of {past:g}", self._ask(**{name: past}), rule)

    def sample_text(self) -> Iterator[Sample]:
        if not self._reads_text:
            return
        item = self._terms.inputs[self._main]
        for name, text, rule in self._list_texts():
            if item.max_characters is None or len(text) <= item.max_characters:
                yield Sample(name, self._say(text), rule)

    def _list_texts(self) -> Iterator[tuple[str, str, str | None]]:
        yield "control tokens, spelled", _CONTROL_TOKENS, None
        yield "half of a surrogate pair", "\ud800", "text"
        yield "a reserved character", "\U0010c000", "text"
        terms = self._terms.text
        for named, example in _EXAMPLES.items():
            action = terms.characters.get(named, Action.KEEP)
            rule = f"text.characters.{named.value}" if action is Action.REFUSE else None
            yield f"characters: {named.value} ({action.value})", f"a{example}", rule
        if terms.form is not None:
            rule = "text.normalization" if terms.form_action is Action.REFUSE else None
            yield f"a text that is not in {terms.form}", _UNNORMAL[terms.form], rule

    def sample_output(self) -> Iterator[Sample]:
        most = self._terms.output.max_tokens
        if most is None or most >= self._contract.most_tokens or not self._generates:
            return
        yield Sample(f"max_tokens of {most:,}", self._ask(max_tokens=most), None)
        yield Sample(f"max_tokens of {most + 1:,}", self._ask(max_tokens=most + 1), "outputs.text.max_tokens")

    @property
    def _least_ids(self) -> int:
        bounds = self._terms.dims.get("tokens")
        return 1 if bounds is None else bounds.least

    def _fits_context(self, dim: str, count: int) -> bool:
        context = self._contract.context_tokens
        return dim != "tokens" or context is None or count < context

    def _ask(self, **fields: object) -> ParsedRequest:
        made = self._ask_with(self._main)
        return ParsedRequest(made.operation, {**made.fields, **fields})

    def _say(self, text: str) -> ParsedRequest:
        return self._ask_text(self._main, text)

    def _ask_text(self, name: str, text: str) -> ParsedRequest:
        if name == MESSAGES:
            return self._chat(text)
        if name == TEXT:
            return ParsedRequest(Operation.EMBED, {TEXT: text})
        return ParsedRequest(Operation.GENERATE, {PROMPT: text})

    def _ask_ids(self, name: str, ids: list[int]) -> ParsedRequest:
        if name == TEXT_IDS:
            return ParsedRequest(Operation.EMBED, {TEXT: ids})
        return ParsedRequest(Operation.GENERATE, {PROMPT: ids})

    def _ask_many(self, dim: str, count: int) -> ParsedRequest:
        if dim == "tokens":
            name = PROMPT_IDS if PROMPT_IDS in self._terms.inputs else TEXT_IDS
            return self._ask_ids(name, [self._find_id(name)] * count)
        if dim == MESSAGES:
            return self._chat(count=count)
        many: list[object] = [{} for _ in range(count)]
        return self._chat(tools=many) if dim == TOOLS else self._chat(documents=many)

    def _ask_with(self, name: str) -> ParsedRequest:
        """Something of this input."""
        match name:
            case "prompt":
                return self._ask_text(name, self._cut(name, _WORD))
            case "text":
                return self._ask_text(name, self._cut(name, _WORD))
            case "prompt_ids" | "text_ids":
                return self._ask_ids(name, [self._find_id(name)] * self._least_ids)
            case "messages":
                return self._chat()
            case "tools":
                return self._chat(tools=[self._fit(TOOLS, _TOOL)] * self._least(TOOLS))
            case "documents":
                return self._chat(documents=[self._fit(DOCUMENTS, {"text": "a"})] * self._least(DOCUMENTS))
            case _:
                return self._chat(template_options={})

    def _find_id(self, name: str) -> int:
        item = self._terms.inputs.get(name)
        return 0 if item is None or item.ids is None else int(item.ids.least)

    def _fit(self, name: str, value: Mapping[str, object]) -> Mapping[str, object]:
        """The value, where there is surely room for as many as must be; else nothing of it."""
        item = self._terms.inputs.get(name)
        is_free = item is None or item.max_characters is None
        return value if is_free else {}

    def _least(self, dim: str) -> int:
        bounds = self._terms.dims.get(dim)
        return 1 if bounds is None else max(1, bounds.least)

    def _chat(
        self, text: str = _WORD, *, role: str | None = None, count: int | None = None, **fields: object
    ) -> ParsedRequest:
        item = self._terms.inputs.get(MESSAGES)
        roles = ROLES if item is None or item.roles is None else item.roles
        chosen = role or ("user" if "user" in roles else roles[0])
        message = {"role": chosen, "content": self._cut(MESSAGES, text) if text is _WORD else text}
        return ParsedRequest(Operation.CHAT, {MESSAGES: [message] * (count or self._least(MESSAGES)), **fields})

    def _cut(self, name: str, text: str) -> str:
        item = self._terms.inputs.get(name)
        return text if item is None or item.max_characters is None else text[: item.max_characters]
