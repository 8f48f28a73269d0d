"""The events of MLX in an application's own process, where no wall is."""

from __future__ import annotations

from typing import Annotated, ClassVar

from ostiary.core.values import dataclass
from ostiary.record.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEmbedded(Event):
    """A verified model was loaded into an application's own process: nothing holds it there."""

    kind: ClassVar[str] = "model.embedded"

    root: Annotated[str, "SHA-256 root digest of the model"]
    form: Annotated[str, "what was loaded: `tensors`, a `network` with its tokenizer, or a `function`"]
    tensors: Annotated[int, "how many tensors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFailed(Event):
    """What an application guards ended in an exception of MLX or of what goes with it."""

    kind: ClassVar[str] = "work.failed"

    name: Annotated[str, "what the application calls it"]
    code: Annotated[str, "the code that the exception became"]
    raised: Annotated[str, "the class of the exception; never its text"]
    detail: Annotated[str, "our sentence for it"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRefused(Event):
    """What an application wanted computed did not pass the checks that it asked for."""

    kind: ClassVar[str] = "work.refused"

    name: Annotated[str, "what the application calls it"]
    code: Annotated[str, "the code of the refusal"]
    field: Annotated[str, "the argument that does not fit"]
