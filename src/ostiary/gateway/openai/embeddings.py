"""/v1/embeddings: vectors that stand for texts, of models that give them."""

from __future__ import annotations

import asyncio
import base64
import math
import struct
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec

from ostiary.core.limits import MAX_EMBED_NUMBERS, MAX_EMBED_TEXTS, MAX_REQUEST_TOKENS, MAX_VECTOR_NUMBERS
from ostiary.core.requests import Operation, ParsedRequest
from ostiary.errors import CONTRACT_RANGE, CONTRACT_TOO_LONG, CONTRACT_TYPE, ContractRefused
from ostiary.gateway.choose_model import choose_model
from ostiary.gateway.long_work import SHORT_BYTES
from ostiary.gateway.naming import EMBEDDINGS, naming
from ostiary.gateway.openai.completions_forms import TokenIds
from ostiary.gateway.openai.shared_forms import Label, Name
from ostiary.gateway.reply import BytesReply, Reply
from ostiary.gateway.route import Dialect, Route

if TYPE_CHECKING:
    from ostiary.gateway.asked import Asked
    from ostiary.gateway.served import ServedModel
    from ostiary.library.result import Result

Inputs = str | Annotated[list[str | int | TokenIds], msgspec.Meta(min_length=1, max_length=int(MAX_REQUEST_TOKENS))]
_AT_ONCE: Final = 16
_MOST_CHARACTERS: Final = 6
"""Of one token, in most texts of any length."""
_NUMBER_BYTES: Final = 4
_BEGINNING: Final = b'{"data":['
"""Of every answer: what follows was written piece by piece."""


class EmbeddingsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked."""

    input: (
        str | Annotated[list[str | int | TokenIds], msgspec.Meta(min_length=1, max_length=int(MAX_REQUEST_TOKENS))]
    )
    """A text or token ids, or a list of either."""
    model: Name | None = None
    """May be left out where one model is served."""
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, msgspec.Meta(ge=1, le=int(MAX_VECTOR_NUMBERS))] | None = None
    """So many of the first numbers, made as long as before: for models that were trained for that."""
    pooling: Literal["mean", "last"] | None = None
    """How one vector is made of those of all tokens."""
    user: Label | None = None


class Embedding(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    index: int
    embedding: list[float] | str
    """Numbers; or float32, little-endian, in base64."""
    object: Literal["embedding"] = "embedding"


class EmbeddingsUsage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    prompt_tokens: int
    total_tokens: int


class Embeddings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage
    object: Literal["list"] = "list"


async def answer_embeddings(asked: Asked, body: EmbeddingsBody) -> Reply:
    model = await choose_model(asked, body.model)
    texts = list_texts(body.input)
    requests = [
        ParsedRequest(Operation.EMBED, {"text": text, **({"pooling": body.pooling} if body.pooling else {})})
        for text in texts
    ]
    asked.judge_tokens(sum(map(_count_least_tokens, texts)))
    with naming(EMBEDDINGS):
        results = await _ask_all(asked, model, requests, body.dimensions)
    vectors = [result.vector for result in results]
    write = partial(write_vectors, vectors, body.encoding_format or "float", body.dimensions)
    written = write() if sum(map(len, vectors)) <= SHORT_BYTES else await asked.work_long(write)
    tokens = sum(result.usage.prompt_tokens for result in results)
    frame = msgspec.json.encode(Embeddings([], model.name, EmbeddingsUsage(tokens, tokens)))
    begin, end = frame[: len(_BEGINNING)], frame[len(_BEGINNING) :]
    return BytesReply(begin, "application/json", more=tuple(memoryview(part) for part in (*written, end)))


async def _ask_all(
    asked: Asked, model: ServedModel, requests: list[ParsedRequest], dimensions: int | None
) -> list[Result]:
    """A few at a time. Each has an entry in the record."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def ask(request: ParsedRequest) -> Result:
        async with turn:
            result = await asked.ask(model, request).finish()
        judge_numbers(len(requests), result.vector, dimensions)
        return result

    tasks = [asyncio.ensure_future(ask(request)) for request in requests]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:  # where one failed or the client went away, nobody waits for the others
            task.cancel()


def _count_least_tokens(text: object) -> int:
    """Some texts have fewer; then they are refused a little early, and only where a limit is near."""
    if isinstance(text, list):
        return len(text)
    return 1 + len(text) // _MOST_CHARACTERS if isinstance(text, str) else 1


def judge_numbers(texts: int, vector: bytes, dimensions: int | None) -> None:
    """How many numbers a vector has is known with the first. Raises ContractRefused where all have too many."""
    numbers = texts * min(len(vector) // _NUMBER_BYTES, dimensions or MAX_VECTOR_NUMBERS)
    if numbers > MAX_EMBED_NUMBERS:
        detail = f"makes {numbers:,} numbers with this model; an answer may have {int(MAX_EMBED_NUMBERS):,}"
        raise ContractRefused(CONTRACT_TOO_LONG, f"input {detail}", field="input")


def list_texts(given: object) -> list[object]:
    """Each text, or list of ids, by itself."""
    if not isinstance(given, list):
        return [given]
    if all(isinstance(item, int) for item in given):
        return [given]
    if any(isinstance(item, int) for item in given):
        raise ContractRefused(CONTRACT_TYPE, "input holds both token ids and others", field="input")
    if len(given) > MAX_EMBED_TEXTS:
        detail = f"input has {len(given):,} entries; it may have {int(MAX_EMBED_TEXTS)}"
        raise ContractRefused(CONTRACT_RANGE, detail, field="input")
    return [*given]


def write_vectors(vectors: Sequence[bytes], encoding: str, dimensions: int | None) -> list[bytes]:
    """Each as the JSON of an `Embedding`, and what stands between them: a million numbers that are written at once
    keep everybody else waiting for a quarter of a second, whatever thread does it.
    """
    return [
        (b"," if index else b"")
        + msgspec.json.encode(Embedding(index, encode_vector(vector, encoding, dimensions)))
        for index, vector in enumerate(vectors)
    ]


def encode_vector(vector: bytes, encoding: str, dimensions: int | None) -> list[float] | str:
    """Raises ContractRefused where it has less dimensions than were asked for."""
    size = len(vector) // _NUMBER_BYTES
    if encoding == "base64" and dimensions in (None, size):
        return base64.b64encode(vector).decode("ascii")
    if dimensions is not None and dimensions > size:
        detail = f"dimensions must be at most {size:,} with this model"
        raise ContractRefused(CONTRACT_RANGE, detail, field="dimensions")
    numbers = struct.unpack(f"<{size}f", vector)
    if dimensions is not None and dimensions < size:
        numbers = numbers[:dimensions]
        length = math.hypot(*numbers)
        numbers = tuple(number / length for number in numbers) if length else numbers
    if encoding == "base64":
        return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode("ascii")
    return [*numbers]


ROUTES = (
    Route(
        method="POST",
        path="/v1/embeddings",
        handle=answer_embeddings,
        dialect=Dialect.OPENAI,
        summary="Vectors of texts, as OpenAI's embeddings",
        takes=EmbeddingsBody,
        gives=Embeddings,
    ),
)
