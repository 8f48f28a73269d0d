"""MLX and MLX-LM as the application has them, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ostiary.core.text import quote_untrusted
from ostiary.errors import EXTRA_MISSING, Misuse

_HINT = "Install it: pip install 'ostiary[mlx]'."


def import_mlx() -> Any:
    """`mlx.core`. Raises Misuse(EXTRA_MISSING)."""
    return _import("mlx.core", "mlx", _HINT)


def import_mlx_lm() -> Any:
    """MLX-LM as a whole, with Transformers: what is returned to the application is theirs. Raises Misuse."""
    import_mlx()
    package = _import("mlx_lm", "mlx-lm", "Install it: pip install mlx-lm.")
    from ostiary.networks.library import check_version  # noqa: PLC0415  it imports MLX

    try:
        check_version()
    except ImportError as error:
        raise Misuse(EXTRA_MISSING, error.msg) from error
    return package


def _import(module: str, package: str, hint: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        missing = quote_untrusted((error.name or package).partition(".")[0].replace("_", "-"))
        raise Misuse(EXTRA_MISSING, f"this needs {missing}, which is not installed", hint=hint) from error
