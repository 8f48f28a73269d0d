"""The engines that the contract is held against, each with a model and with calls that do some work."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ostiary.worker.engines.contract import EngineLimits, PrepareEngine

LIMITS = EngineLimits(memory_bytes=4 << 30, threads=16, tokens=4_096, calls=64)


@dataclass(frozen=True)
class Files:
    contents: Mapping[str, bytes]
    weights: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """`work(n)`: a call with n pieces and a result; `bad`: calls that do not fit; `tail`: comes with every call."""

    name: str
    module: str
    settings: Mapping[str, Any]
    make_files: Callable[[], Files]
    operation: str
    work: Callable[[int], Mapping[str, Any]]
    bad: tuple[tuple[str, Mapping[str, Any]], ...]
    needs: tuple[str, ...] = ()
    device: str = "cpu"
    tail: bytes = b""
    speaks: bool = True
    """Whether an answer comes in pieces."""

    def count(self, pieces: int) -> int:
        return pieces if self.speaks else 0

    def find_missing(self) -> str | None:
        """Why it cannot run here, in words of tests/engine_contract/skips.txt."""
        for package in self.needs:
            if importlib.util.find_spec(package) is None:
                return f"{package} is not installed"
        if self.device == "gpu":
            import mlx.core as mx

            if not mx.is_available(mx.gpu):
                return "there is no device"
        return None

    def use_device(self) -> None:
        if "mlx" in self.needs:
            import mlx.core as mx

            mx.set_default_device(mx.gpu if self.device == "gpu" else mx.cpu)

    @property
    def prepare(self) -> PrepareEngine:
        found: PrepareEngine = importlib.import_module(self.module).prepare_engine
        return found


def _tiny(**changes: Any) -> Callable[[], Files]:
    def make() -> Files:
        from models.tiny import make_model

        model = make_model(**changes)
        return Files(model.contents, model.weights)

    return make


def _generate(pieces: int) -> dict[str, Any]:
    return {"prompt": [1, 2, 3], "max_tokens": pieces, "ignore_eos": True, "temperature": 1.0, "seed": pieces}


_UNFIT_FOR_LANGUAGE = (
    ("no such operation", {}),
    ("generate", {}),
    ("generate", {"prompt": [1 << 20]}),
    ("generate", {"prompt": "a", "max_tokens": -1}),
    ("generate", {"prompt": "a", "logit_bias": {"99999": 1}}),
    ("chat", {"messages": []}),
)


def _language(subject: str, device: str = "cpu", **changes: Any) -> Subject:
    return Subject(
        subject,
        "ostiary.worker.engines.language",
        {"chunk_tokens": 32},
        _tiny(**changes),
        "generate",
        _generate,
        _UNFIT_FOR_LANGUAGE,
        ("mlx", "mlx_lm", "tokenizers"),
        device,
    )


def _function() -> Files:
    from graph_builder import GraphBuilder

    from ostiary.graph.dtypes import Dtype

    builder = GraphBuilder()
    x, c = builder.input(Dtype.FLOAT32, 3), builder.constant(Dtype.FLOAT32, (3,), [1.0, 2.0, 3.0])
    builder.output(builder.add("multiply", x, c))
    return Files(builder.contents, builder.weights)


def _infer(name: str = "x0", shape: tuple[int, ...] = (3,)) -> dict[str, Any]:
    return {"inputs": [{"name": name, "datatype": "FP32", "shape": list(shape)}]}


def _function_subject(name: str, device: str = "cpu") -> Subject:
    return Subject(
        name,
        "ostiary.worker.engines.function",
        {},
        _function,
        "infer",
        lambda _: _infer(),
        (
            ("no such operation", {}),
            ("infer", {}),
            ("infer", {"inputs": []}),
            ("infer", _infer("y")),
            ("infer", _infer(shape=(4,))),
            ("infer", _infer(shape=(1, 3))),
        ),
        ("mlx",),
        device,
        bytes(12),
        speaks=False,
    )


SUBJECTS = (
    Subject(
        "fake",
        "ostiary.worker.engines.fake",
        {},
        lambda: Files({"config.json": b"{}"}, {"model.safetensors": b"weights"}),
        "count",
        lambda pieces: {"to": pieces},
        (("no such operation", {}), ("count", {"to": "many"}), ("count", {"to": -1})),
    ),
    _function_subject("function"),
    _function_subject("function-gpu", "gpu"),
    _language("language", name="llama"),
    _language("language-packed", name="qwen3_moe", dtype="bfloat16", bits=4),
    _language("language-in-turns", name="gemma2"),
    _language("language-gpu", device="gpu", name="llama"),
    _language("language-packed-gpu", device="gpu", name="qwen3_moe", dtype="bfloat16", bits=4),
)
