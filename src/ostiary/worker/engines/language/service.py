"""A loaded model at work: calls come in, replies go out, step by step."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeAlias

from ostiary.core.frames import ErrorName, ReplyKind
from ostiary.core.json_text import JsonValue
from ostiary.core.thought_styles import THOUGHT_MARKS
from ostiary.networks.configuration import Configuration
from ostiary.networks.failures import NOT_A_NUMBER, Failure, explain_failure
from ostiary.worker.engines.contract import Call, CallUnfit, EngineLimits, Reply
from ostiary.worker.engines.fast_cpu.speed import Pace
from ostiary.worker.engines.language.answer import Answer
from ostiary.worker.engines.language.batch import Batch, Token
from ostiary.worker.engines.language.chat_template import ChatTemplates
from ostiary.worker.engines.language.check_calls import (
    Bounds,
    ChatCall,
    DetokenizeCall,
    EmbedCall,
    GenerateCall,
    LanguageCall,
    TokenizeCall,
    parse_call,
)
from ostiary.worker.engines.language.check_prompt import check_prompt, check_text
from ostiary.worker.engines.language.embed import Embedder, Pooling
from ostiary.worker.engines.language.holding import Hold, Holder
from ostiary.worker.engines.language.long_texts import LONG_CHARACTERS, LongTexts
from ostiary.worker.engines.language.network import Network
from ostiary.worker.engines.language.options import Generation
from ostiary.worker.engines.language.prompt import PromptMaker, Written
from ostiary.worker.engines.language.prompt_cache import PromptCache
from ostiary.worker.engines.language.rounds import Rounds
from ostiary.worker.engines.language.sampling import draw_seed
from ostiary.worker.engines.language.schedule import Schedule, Work
from ostiary.worker.engines.language.settings import Settings
from ostiary.worker.engines.language.text_tokenizer import TextTokenizer

_LOOK_SECONDS: Final = 0.02
"""How long a step may look at calls that are new: those who are being answered wait."""

_ReadCall: TypeAlias = "GenerateCall | ChatCall | EmbedCall | TokenizeCall"
"""Those with a text to be read."""


class Service:
    """A loaded model at work."""

    def __init__(
        self,
        *,
        network: Network,
        configuration: Configuration,
        tokenizer: TextTokenizer,
        templates: ChatTemplates,
        settings: Settings,
        limits: EngineLimits,
        pace: Pace,
    ) -> None:
        together = configuration.architecture.is_batched
        self.tokens = 0
        self._network: Final = network
        self._pace: Final = pace
        self._configuration: Final = configuration
        self._tokenizer: Final = tokenizer
        self._templates: Final = templates
        self._prompts: Final = PromptMaker(tokenizer, templates)
        self._bounds: Final = Bounds(network.rows, network.context_tokens, limits.tokens)
        self._eos_ids: Final = _find_ends(configuration, tokenizer, network.rows)
        self._holder: Final = Holder(tokenizer, network.rows, self._eos_ids, templates.tool_style)
        self._batch: Final = Batch(network.model, self._eos_ids, together=together)
        self._schedule: Final = Schedule(
            network.model,
            PromptCache(network.chunk_tokens, network.prompt_cache_bytes),
            network.chunk_tokens,
            settings.rows,
            network.budget,
            together=together,
        )
        self._rounds: Final = Rounds(self._batch, self._schedule, pace)
        self._embedder: Final = Embedder(network.model, network.chunk_tokens)
        self._new: Final[deque[tuple[int, LanguageCall]]] = deque()
        self._long_texts: Final = LongTexts()
        self._being_read: Final[dict[int, tuple[_ReadCall, Written]]] = {}

    def describe(self) -> dict[str, JsonValue]:
        """What an application may want to know, and admission has to."""
        network = self._network
        return {
            "architecture": self._configuration.architecture.module,
            "parameters": network.parameters,
            "weight_bytes": network.weight_bytes,
            "token_ids": network.rows,
            "context_tokens": network.context_tokens,
            "end_tokens": [*sorted(self._eos_ids)],
            "has_chat_template": self._templates.has_any,
            "tool_style": self._holder.style.value,
            "thought_style": None if self._holder.thoughts is None else self._holder.thoughts.value,
            "has_embeddings": self._embedder.is_possible,
            "chunk_tokens": network.chunk_tokens,
            "cache_budget_bytes": network.budget,
            "cache_bytes_per_token": network.cache.bytes_for(1 << 20) >> 20,
            "cache_bytes_at_context": network.bytes_for(network.context_tokens, 1),
            "is_batched": self._configuration.architecture.is_batched,
            "arithmetic": {**self._pace.describe()},
        }

    @property
    def has_work(self) -> bool:
        return bool(self._new) or self._long_texts.has_work or self._schedule.has_work or self._embedder.has_work

    def submit(self, call: Call) -> None:
        self._new.append((call.id, parse_call(call.operation, call.body, self._bounds)))

    def cancel(self, call_id: int) -> None:
        for entry in list(self._new):
            if entry[0] == call_id:
                self._new.remove(entry)
        self._long_texts.remove(call_id)
        self._being_read.pop(call_id, None)
        self._schedule.remove(call_id)
        self._rounds.forget_unwanted()
        self._embedder.remove(call_id)

    def step(self) -> list[Reply]:
        """New calls, and a piece of what is computed for all, or for who comes anew (see `rounds`)."""
        replies = self._look_at_new()
        try:
            self._schedule.admit(self._embedder.reserved_bytes)
            is_whole = self._rounds.step(lambda tokens: replies.extend(self._say(tokens)))
        except Exception as error:  # noqa: BLE001  whatever it is, it has a row in `failures`
            return [*replies, *self._fail_all(error)]
        return [*replies, *self._embed()] if is_whole else replies

    def _embed(self) -> list[Reply]:
        try:
            vector = self._embedder.step()
        except Exception as error:  # noqa: BLE001  as above; the others go on
            failure = explain_failure(error)
            return [_tell_failure(call_id, failure) for call_id in self._embedder.give_up()]
        if vector is None:
            return []
        if not vector.numbers:
            return [_tell_failure(vector.call_id, NOT_A_NUMBER)]
        body: dict[str, JsonValue] = {"size": vector.size, "usage": {"prompt_tokens": vector.tokens}}
        return [Reply(vector.call_id, ReplyKind.RESULT, body, vector.numbers)]

    def _look_at_new(self) -> list[Reply]:
        """And at those whose long texts are read by now."""
        replies: list[Reply] = []
        until = time.monotonic() + _LOOK_SECONDS
        while self._new:
            call_id, call = self._new.popleft()
            replies += self._try(call_id, partial(self._take, call_id, call))
            if time.monotonic() > until:
                break
        is_idle = not (replies or self._new or self._schedule.has_work or self._embedder.has_work)
        for call_id, tokens in self._long_texts.take(waits=is_idle):
            call, written = self._being_read.pop(call_id)
            replies += self._try(call_id, partial(self._read_on, call_id, call, written, tokens))
        return replies

    def _try(self, call_id: int, step: Callable[[], list[Reply]]) -> list[Reply]:
        try:
            return step()
        except CallUnfit as error:
            return [Reply.failed(call_id, ErrorName.CALL_REFUSED, str(error), error.limit)]
        except BaseException as error:  # noqa: BLE001  the tokenizer panics with what is no Exception
            return [_tell_failure(call_id, explain_failure(error))]

    def _take(self, call_id: int, call: LanguageCall) -> list[Reply]:
        if isinstance(call, DetokenizeCall):
            text = self._tokenizer.decode(call.tokens, show_special=call.show_special)
            return [_result(call_id, {"text": text})]
        written = self._prompts.write(call)
        read = partial(self._prompts.read, written)
        if len(written.text) <= LONG_CHARACTERS:
            return self._read_on(call_id, call, written, read)
        self._long_texts.begin(call_id, read)
        self._being_read[call_id] = call, written
        return []

    def _read_on(
        self, call_id: int, call: _ReadCall, written: Written, read: Callable[[], list[int]]
    ) -> list[Reply]:
        tokens = read()
        if isinstance(call, TokenizeCall):
            return [_result(call_id, {"tokens": [*tokens]})]
        if isinstance(call, EmbedCall):
            self._enqueue_embedding(call_id, call, tokens)
        elif call.generation is not None:
            thoughts = self._holder.thoughts
            is_within = thoughts is not None and self._prompts.ends_within(written, THOUGHT_MARKS[thoughts])
            hold = self._holder.hold(call, is_within_thought=is_within)
            self._enqueue(call_id, tokens, call.generation, hold, is_chat=isinstance(call, ChatCall))
        else:
            return [_result(call_id, {"text": self._prompts.uncover(written), "tokens": [*tokens]})]
        return []

    def _enqueue(
        self, call_id: int, prompt: Sequence[int], generation: Generation, hold: Hold, *, is_chat: bool
    ) -> None:
        max_tokens = check_prompt(prompt, generation, self._bounds)
        reserved = self._check_budget(len(prompt) + max_tokens, generation.choices)
        seed = draw_seed() if generation.sampling.seed is None else generation.sampling.seed
        answers = [
            Answer(
                call_id,
                choice,
                prompt=prompt,
                generation=generation,
                max_tokens=max_tokens,
                seed=seed,
                eos_ids=self._eos_ids,
                tokenizer=self._tokenizer,
                is_chat=is_chat,
                shown=hold.shown,
                constraint=hold.constrain(choice),
                thinking=hold.thinking,
            )
            for choice in range(generation.choices)
        ]
        self._schedule.add(Work(call_id, prompt, generation.tenant, answers, seed, reserved, []))

    def _enqueue_embedding(self, call_id: int, call: EmbedCall, tokens: Sequence[int]) -> None:
        if not self._embedder.is_possible:
            raise CallUnfit("this network gives no vectors")
        check_text(tokens, call.limits, self._bounds)
        reserved = self._check_budget(len(tokens), 1)
        self._embedder.add(
            call_id,
            tokens,
            Pooling(call.pooling),
            is_normalized=call.is_normalized,
            reserved_bytes=reserved,
        )

    def _check_budget(self, tokens: int, choices: int) -> int:
        """What a call may come to need, which must be no more than there is for all."""
        reserved = self._network.bytes_for(tokens, choices)
        if reserved > self._network.budget:
            raise CallUnfit(
                f"it may come to need {reserved >> 20:,} MiB of memory; all calls together have "
                f"{self._network.budget >> 20:,} MiB"
            )
        return reserved

    def _say(self, tokens: Sequence[Token]) -> list[Reply]:
        replies: list[Reply] = []
        for token in tokens:
            work = self._schedule.find(token.answer.call_id)
            if work is None or token.answer.is_over:
                continue
            constraint = token.answer.constraint
            if constraint is not None and constraint.failure is not None:
                self._schedule.remove(work.call_id)
                replies.append(Reply.failed(work.call_id, ErrorName.CALL_REFUSED, constraint.failure))
            elif token.is_number:
                replies += self._say_token(work, token)
            else:
                self._schedule.remove(work.call_id)
                replies.append(_tell_failure(work.call_id, NOT_A_NUMBER))
        return replies

    def _say_token(self, work: Work, token: Token) -> list[Reply]:
        answer = token.answer
        self.tokens += 1
        piece = answer.take(token.token, token.odds)
        if answer.count == 1:  # whoever does not hear the end hears what the prompt cost
            piece["prompt_tokens"] = len(work.prompt)
        replies = [Reply(work.call_id, ReplyKind.PIECE, piece)]
        if answer.is_over:
            answer.caches = []
        if all(other.is_over for other in work.answers):
            self._schedule.remove(work.call_id)
            replies.append(_result(work.call_id, _describe_work(work)))
        return replies

    def _fail_all(self, error: Exception) -> list[Reply]:
        """A step failed for all who were in it; those who still wait may have better luck."""
        failure = explain_failure(error)
        self._rounds.give_up()
        return [_tell_failure(call_id, failure) for call_id in self._schedule.give_up()]


def _describe_work(work: Work) -> dict[str, JsonValue]:
    return {
        "choices": [answer.describe_end() for answer in work.answers],
        "seed": work.seed,
        "usage": {
            "prompt_tokens": len(work.prompt),
            "cached_tokens": work.cached_tokens,
            "completion_tokens": sum(answer.count for answer in work.answers),
        },
    }


def _find_ends(configuration: Configuration, tokenizer: TextTokenizer, rows: int) -> frozenset[int]:
    """Where answers end: what the configuration says, and the tokenizer's own end."""
    ends = set(configuration.eos_ids)
    word = tokenizer.settings.named.get("eos_token")
    own = None if word is None else tokenizer.token_id(word)
    if own is not None:
        ends.add(own)
    return frozenset(end for end in ends if end < rows)


def _result(call_id: int, body: dict[str, JsonValue]) -> Reply:
    return Reply(call_id, ReplyKind.RESULT, body)


def _tell_failure(call_id: int, failure: Failure) -> Reply:
    return Reply.failed(call_id, failure.name, failure.sentence)
