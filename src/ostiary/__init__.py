"""The doorkeeper for MLX models.

    with ostiary.open("llama-3.2-1b", key="publisher.pub") as model:
        print(model.generate("Once upon a time", max_tokens=100).text)

Importing this imports neither MLX nor any room: each name is fetched when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ostiary._version import __version__

if TYPE_CHECKING:
    from ostiary.core.findings import Finding, Rule, Severity
    from ostiary.core.requests import Choice, FinishReason, Piece, Timings, TokenLogprob, Usage
    from ostiary.core.tickets import Manifest
    from ostiary.errors import Fault, IntakeRefused, Misuse, OstiaryError, Refusal
    from ostiary.exporter.card import Card
    from ostiary.exporter.export import export
    from ostiary.exporter.exported import Exported
    from ostiary.intake import examine_model, read_manifest
    from ostiary.intake.examination import Examination
    from ostiary.library.arguments import Message, OpenProgress, Prompt
    from ostiary.library.async_model import AsyncModel, AsyncStream, open_async
    from ostiary.library.function import Outputs, TensorInfo
    from ostiary.library.model import Model, Stream
    from ostiary.library.model import open as open  # noqa: A004  as `io.open` and others
    from ostiary.library.result import Result
    from ostiary.library.verdict import Verdict

# `open` is not among them: `from ostiary import *` shall not take the built-in one away.
__all__ = [
    "AsyncModel",
    "AsyncStream",
    "Card",
    "Choice",
    "Examination",
    "Exported",
    "Fault",
    "Finding",
    "FinishReason",
    "IntakeRefused",
    "Manifest",
    "Message",
    "Misuse",
    "Model",
    "OpenProgress",
    "OstiaryError",
    "Outputs",
    "Piece",
    "Prompt",
    "Refusal",
    "Result",
    "Rule",
    "Severity",
    "Stream",
    "TensorInfo",
    "Timings",
    "TokenLogprob",
    "Usage",
    "Verdict",
    "__version__",
    "examine_model",
    "export",
    "open_async",
    "read_manifest",
]

_HOME: Final = {
    "AsyncModel": "ostiary.library.async_model",
    "AsyncStream": "ostiary.library.async_model",
    "Card": "ostiary.exporter.card",
    "Choice": "ostiary.core.requests",
    "Examination": "ostiary.intake.examination",
    "Exported": "ostiary.exporter.exported",
    "Fault": "ostiary.errors",
    "Finding": "ostiary.core.findings",
    "FinishReason": "ostiary.core.requests",
    "IntakeRefused": "ostiary.errors",
    "Manifest": "ostiary.core.tickets",
    "Message": "ostiary.library.arguments",
    "Misuse": "ostiary.errors",
    "Model": "ostiary.library.model",
    "OpenProgress": "ostiary.library.arguments",
    "OstiaryError": "ostiary.errors",
    "Outputs": "ostiary.library.function",
    "Piece": "ostiary.core.requests",
    "Prompt": "ostiary.library.arguments",
    "Refusal": "ostiary.errors",
    "Result": "ostiary.library.result",
    "Rule": "ostiary.core.findings",
    "Severity": "ostiary.core.findings",
    "Stream": "ostiary.library.model",
    "TensorInfo": "ostiary.library.function",
    "Timings": "ostiary.core.requests",
    "TokenLogprob": "ostiary.core.requests",
    "Usage": "ostiary.core.requests",
    "Verdict": "ostiary.library.verdict",
    "examine_model": "ostiary.intake",
    "export": "ostiary.exporter.export",
    "open": "ostiary.library.model",
    "open_async": "ostiary.library.async_model",
    "read_manifest": "ostiary.intake",
}


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'ostiary' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(_HOME)
