"""From what a model says to the objects of /v1/chat/completions. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from ostiary.answer.said import CallBegun, CallPiece, Thought
from ostiary.core.requests import FinishReason, ToolCall
from ostiary.gateway.openai.chat_forms import (
    AnswerMessage,
    ChatChunk,
    ChatCompletion,
    ChoiceForm,
    ChunkChoice,
    Delta,
    DeltaCall,
    DeltaFunction,
    Finish,
    FunctionCall,
    LikelyToken,
    LogprobsForm,
    TokenForm,
    ToolCallForm,
)
from ostiary.gateway.openai.shared_forms import PromptDetails, UsageForm

if TYPE_CHECKING:
    from ostiary.answer.said import Said
    from ostiary.core.requests import Piece, TokenLogprob, Usage
    from ostiary.gateway.said import SaidAnswer
    from ostiary.library.result import Result


class ChatWriter:
    """For one request."""

    def __init__(self, correlation_id: str, model: str, root: str, created: int) -> None:
        """`root`: the digest of the model's bytes."""
        self._id: Final = f"chatcmpl-{correlation_id}"
        self._call_id: Final = f"call_{correlation_id}"
        self._model: Final = model
        self._created: Final = created
        self._fingerprint: Final = write_fingerprint(root)
        self._calls: Final[dict[int, int]] = {}
        """Told of so far, by answer."""
        self._called: Final[set[int]] = set()
        """Answers in which a call was told as a whole."""

    def write_whole(self, result: Result, answers: Sequence[SaidAnswer]) -> ChatCompletion:
        choices = [
            ChoiceForm(
                index,
                AnswerMessage(
                    content=answer.text if answer.text or not answer.calls else None,
                    refusal=None,
                    role="assistant",
                    tool_calls=[self._write_call(index, call) for call in answer.calls],
                    reasoning=answer.reasoning or None,
                ),
                write_logprobs(choice.logprobs),
                write_finish(answer.finish_reason, has_called=bool(answer.calls)),
            )
            for index, (answer, choice) in enumerate(zip(answers, result.choices, strict=True))
        ]
        return ChatCompletion(
            self._id, self._created, self._model, choices, write_usage(result.usage), self._fingerprint
        )

    def write_beginning(self, choices: int) -> Iterator[ChatChunk]:
        for index in range(choices):
            yield self._write_chunk(ChunkChoice(index, Delta(role="assistant", content="")))

    def write_said(self, choice: int, said: Sequence[Said], piece: Piece | None = None) -> Iterator[ChatChunk]:
        """With `piece`, its log-probabilities go along, also where nothing of it is said yet."""
        logprobs = None if piece is None else write_logprobs(piece.logprobs)
        if not said and logprobs is not None:
            yield self._write_chunk(ChunkChoice(choice, Delta(content=""), logprobs))
        for item in said:
            delta = self._write_delta(choice, item)
            if delta is not None or logprobs is not None:
                yield self._write_chunk(ChunkChoice(choice, delta or Delta(content=""), logprobs))
            logprobs = None

    def write_end(self, choice: int, finish: FinishReason) -> ChatChunk:
        reason = write_finish(finish, has_called=choice in self._called)
        return self._write_chunk(ChunkChoice(choice, Delta(), None, reason))

    def write_cost(self, usage: Usage) -> ChatChunk:
        return ChatChunk(self._id, self._created, self._model, [], self._fingerprint, write_usage(usage))

    def _write_chunk(self, choice: ChunkChoice) -> ChatChunk:
        return ChatChunk(self._id, self._created, self._model, [choice], self._fingerprint)

    def _count(self, choice: int) -> int:
        place = self._calls.get(choice, 0)
        self._calls[choice] = place + 1
        return place

    def _name(self, choice: int, place: int) -> str:
        return f"{self._call_id}_{choice}_{place}"

    def _write_call(self, choice: int, call: ToolCall) -> ToolCallForm:
        return ToolCallForm(self._name(choice, self._count(choice)), FunctionCall(call.name, call.arguments))

    def _write_delta(self, choice: int, item: Said) -> Delta | None:
        """None: there is nothing to tell. A call that breaks off stays unfinished."""
        if isinstance(item, str):
            return Delta(content=item)
        if isinstance(item, Thought):
            return Delta(reasoning=item.text)
        if isinstance(item, CallBegun):
            place = self._count(choice)
            call = DeltaCall(place, DeltaFunction("", item.name), self._name(choice, place), "function")
            return Delta(tool_calls=[call])
        if isinstance(item, CallPiece):
            return Delta(tool_calls=[DeltaCall(self._calls[choice] - 1, DeltaFunction(item.text))])
        if isinstance(item, ToolCall):
            self._called.add(choice)
        return None


def write_fingerprint(root: str) -> str:
    return f"fp_{root[:16]}"


def write_usage(usage: Usage) -> UsageForm:
    return UsageForm(
        usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, PromptDetails(usage.cached_tokens)
    )


def write_finish(reason: FinishReason, *, has_called: bool) -> Finish:
    if reason is FinishReason.LENGTH:
        return "length"
    return "tool_calls" if has_called else "stop"


def write_logprobs(logprobs: Sequence[TokenLogprob] | None) -> LogprobsForm | None:
    if logprobs is None:
        return None
    return LogprobsForm(
        [
            TokenForm(
                token.text,
                token.logprob,
                [*token.raw],
                [LikelyToken(likely.text, likely.logprob, [*likely.raw]) for likely in token.top],
            )
            for token in logprobs
        ]
    )
