"""Foreign exceptions and words of the shared tables, as errors of this door."""

from __future__ import annotations

from typing import Final

from ostiary import errors
from ostiary.core.frames import ErrorName
from ostiary.errors import Code, EmbedFailed, EmbedOutOfMemory, EmbedRefused, OstiaryError
from ostiary.networks.failures import explain_failure
from ostiary.networks.unfit import ModelUnfit

_PACKAGES: Final = frozenset(
    {"builtins", "mlx", "mlx_lm", "tokenizers", "transformers", "safetensors", "jinja2", "pyo3_runtime", "nanobind"}
)
_EXPLAINED: Final = (
    MemoryError,
    RuntimeError,
    ValueError,
    TypeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    AssertionError,
    OSError,
)
_THE_APPLICATIONS: Final = (TimeoutError, ConnectionError, BrokenPipeError)


def is_foreign(error: BaseException) -> bool:
    """Whether it may be MLX's or that of what goes with it: by its class. An application's own class is not."""
    package = type(error).__module__.partition(".")[0]
    if package not in _PACKAGES or isinstance(error, _THE_APPLICATIONS):
        return False
    if package == "builtins":
        return isinstance(error, _EXPLAINED)
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def find_first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first exception in it that is no group itself."""
    first = group.exceptions[0]
    return find_first(first) if isinstance(first, BaseExceptionGroup) else first


def name_class(error: BaseException) -> str:
    """For the record: a built-in class by its name, others as such."""
    return next((cls.__name__ for cls in type(error).__mro__ if cls.__module__ == "builtins"), "BaseException")


def convert_failure(error: BaseException, *, is_loading: bool = False) -> EmbedFailed:
    """What it becomes. The caller raises it `from` the exception; nothing of its text is in the message."""
    failure = explain_failure(error)
    return _make(failure.name, failure.sentence, is_loading=is_loading)


def convert_unfit(unfit: ModelUnfit) -> OstiaryError:
    """Why a model is not loaded."""
    sentence = str(unfit)
    if unfit.name is ErrorName.ARCHITECTURE_NOT_ALLOWED:
        return EmbedRefused(errors.EMBED_ARCHITECTURE_NOT_ALLOWED, sentence)
    return _make(unfit.name, sentence, is_loading=True)


def _make(name: ErrorName, sentence: str, *, is_loading: bool) -> EmbedFailed:
    if name is ErrorName.OUT_OF_MEMORY:
        return EmbedOutOfMemory(errors.EMBED_OUT_OF_MEMORY, sentence)
    code: Code = errors.EMBED_LOAD_FAILED if is_loading else errors.EMBED_ENGINE_FAILED
    return EmbedFailed(code, sentence)
