"""A program as its author's type checker sees it. Checked strictly by test_typing.py, never run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import ostiary
from ostiary.testing import FakeEngine, HostilePublisher, capture_events, sign_model


def wait() -> str:
    def show(progress: ostiary.OpenProgress) -> None:
        print(progress.stage, progress.done_bytes / max(progress.total_bytes, 1))

    with ostiary.open(
        "llama",
        key=["a.pub", Path("b.pub")],
        limits={"memory": "8 GiB", "threads": 4},
        unsafe_without=["landlock"],
        on_progress=show,
    ) as model:
        result: ostiary.Result = model.generate(
            "Once", max_tokens=9, temperature=0.7, stop=["\n"], seed=3, logprobs=2, logit_bias={5: -1.0}
        )
        tokens: tuple[int, ...] = result.tokens
        odds: tuple[ostiary.TokenLogprob, ...] | None = result.logprobs
        signer: str = result.verdict.signers[0]
        usage: ostiary.Usage = result.usage
        first: float | None = result.timings.first_token_seconds
        reason: ostiary.FinishReason = result.finish_reason
        messages = [{"role": "user", "content": "Hello"}]
        tools = [{"type": "function", "function": {"name": "f"}}]
        text: str = model.chat(messages, tools=tools, template_options={"thinking": False}).text
        with model.stream([1, 2, 3], timeout=1.5) as stream:
            for piece in stream:
                text += piece.text
        choice: ostiary.Choice = stream.result.choices[0]
        print(tokens, odds, signer, usage.total_tokens, first, reason, choice.text, model.read_usage().memory_bytes)
    return text


async def wait_without_blocking() -> str:
    async with ostiary.open_async("llama", policy="policy.toml", model_id="acme/llama") as model:
        texts = await asyncio.gather(model.generate("a"), model.chat([{"role": "user", "content": "b"}]))
        async with model.stream("c", n=2) as stream:
            async for piece in stream:
                print(piece.choice, piece.text)
        print(stream.result.usage, model.verdict.root, [result.text for result in texts])
    kept: ostiary.AsyncModel = await ostiary.open_async("llama", unsafe_unsigned=True)
    await kept.close()
    return stream.text


def give(function: Callable[[object], object], examples: object) -> tuple[str, int]:
    card: ostiary.Card = {"who": "Ada", "metrics": {"accuracy": 0.9}}
    exported: ostiary.Exported = ostiary.export(
        function,
        examples,
        Path("model"),
        dims={"x": ["batch", None], "y": {1: "length"}, "z": "batch"},
        bounds={"batch": 64, "length": (1, None)},
        ranges={"x": (-1, 1.0)},
        allowed={"y": [1, 2]},
        finite=["x"],
        outputs=["mean"],
        card=card,
    )
    return exported.path.name, exported.parameters


def compute(model: ostiary.Model, image: object) -> tuple[str, ...]:
    outputs: ostiary.Outputs = model(image=image, timeout=3.0)
    again: ostiary.Outputs = model({"image": [[0.5]]})
    print(list(outputs), again.only, again.seconds, again.verdict.root, outputs["probabilities"])
    info: ostiary.TensorInfo = model.inputs[0]
    return (info.name, info.datatype, *map(str, info.shape))


async def compute_side_by_side(model: ostiary.AsyncModel) -> list[str]:
    one, two = await asyncio.gather(model(x=1.0), model(x=2.0))
    return [one.correlation_id, two.correlation_id]


def fail() -> str:
    try:
        return wait()
    except ostiary.Refusal as refusal:
        return refusal.code
    except ostiary.Fault as fault:
        return f"{fault.hint} {fault.correlation_id}"


def rehearse(directory: Path) -> list[str]:
    model = HostilePublisher(directory).publish_honest()
    key: Path = sign_model(model, model_id="acme/honest")
    with capture_events() as (events, _), FakeEngine(answers=["yes"], token_milliseconds=5) as engine:
        ostiary.open(model, key=key).close()
    return [event.kind for event in events] + [request.operation.value for request in engine.requests]


def wrong(model: ostiary.Model) -> None:
    model.generate("a", maximum=3)  # expected: call-arg
    model.generate("a", temperature="hot")  # expected: arg-type
    model.generate(3)  # expected: arg-type
    model.generate("a").texts  # expected: attr-defined
    model(image=1, timeout="soon")  # expected: arg-type
    ostiary.open("llama", keys="a.pub")  # expected: call-arg
    ostiary.export(model, 1, "model", dimensions="batch")  # expected: call-arg
    for piece in ostiary.open_async("llama"):  # expected: attr-defined
        print(piece)
