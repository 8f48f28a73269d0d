"""What a program may say to open a model or to ask it, as type checkers see it. Checked when it is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias, TypedDict

from ostiary.core.requests import Operation, ParsedRequest
from ostiary.core.values import dataclass

PathName: TypeAlias = str | os.PathLike[str]
Message: TypeAlias = Mapping[str, object]
"""Of a conversation: `role` and `content`, and what docs/language-engine.md names besides."""
Prompt: TypeAlias = str | Sequence[int]
"""A text, or token ids."""

_TIMEOUT: Final = "timeout"


@dataclass(frozen=True, slots=True)
class OpenProgress:
    """How far the opening of a model came."""

    stage: str
    """`verifying`: it is read and judged. `loading`: hashed, sealed, and taken behind the wall. `ready`."""
    done_bytes: int = 0
    total_bytes: int = 0
    """0 where it is not known."""


class OpenArguments(TypedDict, total=False):
    """docs/python.md explains each."""

    key: PathName | Sequence[PathName] | None
    """Public keys to believe, as PEM files."""
    root: PathName | Sequence[PathName] | None
    """Root certificates to believe, as PEM files; with `identity`."""
    identity: str | None
    issuer: str | None
    """Who must know that identity; then keyless signatures are believed."""
    policy: PathName | None
    """Whom to believe, as a policy file; without it and the others, the policy in its usual place."""
    sigstore_config: PathName | None
    model_id: str | None
    """The model must be signed as this one."""
    signature: PathName | Sequence[PathName] | None
    """Signature files that are kept elsewhere."""
    limits: Mapping[str, int | str] | None
    """As in the file of settings, before what that says: {"memory": "8 GiB", "threads": 4}."""
    config: PathName | None
    """The file of settings."""
    state: PathName | None
    """The directory of the record and of what is remembered."""
    adapter: str | None
    """The folder of the model that holds the adapter to use."""
    context_tokens: int | None
    """At most so many tokens of prompt and answer together."""
    arithmetic: str | None
    """On a Linux processor: `fast` (else) or `plain`; docs/speed.md."""
    on_progress: Callable[[OpenProgress], None] | None
    """Called now and then, from any thread. It must not raise."""
    record_location: bool
    """Record a salted hash of where the model lies, too."""
    record_content: bool
    """Record salted hashes of prompts and answers, too."""
    unsafe_ignore: Sequence[str]
    """Unsigned files and directories that may be there. The model does not get them."""
    unsafe_unsigned: bool
    """Open a model that nobody vouches for."""
    unsafe_without: Sequence[str]
    """Layers of the wall to leave out."""


class GenerateOptions(TypedDict, total=False):
    """What is absent or None is as the model's engine has it."""

    max_tokens: int | None
    """Of each answer. None: as many as there is room for."""
    temperature: float | None
    """0, the default, takes the likeliest token each time."""
    top_p: float | None
    top_k: int | None
    min_p: float | None
    seed: int | None
    """None: one is drawn, and told with the result."""
    stop: str | Sequence[str] | None
    """Texts at which an answer ends. They are not part of it."""
    logprobs: int | None
    """Log-probabilities, with so many of the likeliest tokens beside each; 0 for the chosen token alone."""
    logit_bias: Mapping[int, float] | None
    """Token id to what is added to its logit, from -100 to 100."""
    repetition_penalty: float | None
    repetition_context_size: int | None
    presence_penalty: float | None
    presence_context_size: int | None
    frequency_penalty: float | None
    frequency_context_size: int | None
    n: int | None
    """How many answers."""
    tenant: str | None
    """Whose earlier prompts may be reused. None: nothing is kept of this one."""
    show_special: bool | None
    """Whether control tokens that the model writes appear in the text."""
    ignore_eos: bool | None
    response_format: Mapping[str, object] | None
    """What each answer is held to: docs/answer-forms.md, in the words of docs/language-engine.md."""
    timeout: float | None
    """Seconds; it can only shorten what the limits allow."""


class PromptOptions(GenerateOptions, total=False):
    """For a text that goes on."""

    parse_special: bool | None
    """Whether control tokens that are spelled in the prompt count as such. Never for text from strangers."""


class ChatOptions(GenerateOptions, total=False):
    """For a conversation."""

    tools: Sequence[Mapping[str, object]] | None
    tool_choice: str | Mapping[str, object] | None
    """`none`, `auto`, `required`, or {"name": ...}."""
    parallel_tool_calls: bool | None
    documents: Sequence[Mapping[str, object]] | None
    template_options: Mapping[str, object] | None
    """What this model's chat template knows, such as {"enable_thinking": False}."""
    add_generation_prompt: bool | None
    continue_final_message: bool | None
    """The last message is the beginning of the answer."""


def parse_prompt(prompt: Prompt, options: Mapping[str, object]) -> ParsedRequest:
    return _parse(Operation.GENERATE, "prompt", prompt, options)


def parse_messages(messages: Sequence[Message], options: Mapping[str, object]) -> ParsedRequest:
    return _parse(Operation.CHAT, "messages", messages, options)


def _parse(operation: Operation, name: str, value: object, options: Mapping[str, object]) -> ParsedRequest:
    fields = {**options, name: value}
    timeout = fields.pop(_TIMEOUT, None)
    return ParsedRequest(operation, fields, timeout)
