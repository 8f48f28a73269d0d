"""MLX-LM's networks, caches and adapter layers, without what its package itself would import.

`import mlx_lm` brings Transformers, NumPy and the hub's client along: 1.3 seconds, 545 modules and 57 MB, none of
which a network needs. The submodules named here import MLX and one another only. So the package is entered in
sys.modules by its place alone, its `__init__` not run; where somebody imported it before (as tests do), it is used
as it is.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any, Final

import mlx.core as mx

from ostiary.networks.library import check_version, import_part
from ostiary.worker.engines.language.rows import Rows

_PACKAGES: Final = ("mlx_lm", "mlx_lm.tuner")
_PARTS: Final = ("models.base", "models.cache", "models.switch_layers", "sample_utils", "tuner.lora", "tuner.dora")


def open_library() -> None:
    """Makes `import_part` work, and imports the parts that every network shares. Raises ImportError."""
    for name in _PACKAGES:
        _enter(name)
    check_version()
    for part in _PARTS:
        import_part(part)


def import_network(module_name: str) -> Any:
    """The module of a network, its attention made to work on rows of several sequences (see `rows`)."""
    module = import_part(f"models.{module_name}")
    attend = getattr(module, "scaled_dot_product_attention", None)
    if attend is not None and not hasattr(attend, "for_rows"):
        module.scaled_dot_product_attention = _attend_by_rows(attend)
    return module


def begin_computing(*arrays: Any) -> None:
    """Arrays, or lists of arrays. What is waited for later is computed meanwhile."""
    mx.async_eval(*arrays)  # type: ignore[no-untyped-call]


def _attend_by_rows(attend: Any) -> Any:
    def scaled_dot_product_attention(  # noqa: PLR0917  MLX-LM's form
        queries: Any, keys: Any, values: Any, cache: Any, scale: float, mask: Any, sinks: Any = None
    ) -> Any:
        if isinstance(cache, Rows):
            return cache.attend(attend, queries, keys, values, scale, mask, sinks)
        return attend(queries, keys, values, cache=cache, scale=scale, mask=mask, sinks=sinks)

    scaled_dot_product_attention.for_rows = True  # type: ignore[attr-defined]
    return scaled_dot_product_attention


def _enter(name: str) -> None:
    if name in sys.modules:
        return
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("mlx-lm is not installed", name="mlx_lm")
    package = types.ModuleType(name)
    package.__path__ = list(spec.submodule_search_locations)
    package.__spec__ = spec
    sys.modules[name] = package
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, package)
