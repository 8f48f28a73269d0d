"""MLX-LM's networks, caches and adapter layers, without what its package itself would import.

`import mlx_lm` brings Transformers, NumPy and the hub's client along: 1.3 seconds, 545 modules and 57 MB, none of
which a network needs. The submodules named here import MLX and one another only. So the package is entered in
sys.modules by its place alone, its `__init__` not run; where somebody imported it before (as tests do), it is used
as it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any, Final

import mlx.core as mx

from ostiary.worker.engines.language.rows import Rows

nn: Final[Any] = importlib.import_module("mlx.nn")
"""Its stubs do not list what it exports."""
_tree: Final[Any] = importlib.import_module("mlx.utils")
_PACKAGES: Final = ("mlx_lm", "mlx_lm.tuner")
_PARTS: Final = ("models.base", "models.cache", "models.switch_layers", "sample_utils", "tuner.lora", "tuner.dora")
SUPPORTED: Final = (0, 32)
"""The series whose networks the tests hold ours against: another one may do other things under the same names."""


def open_library() -> None:
    """Makes `import_part` work, and imports the parts that every network shares. Raises ImportError."""
    for name in _PACKAGES:
        _enter(name)
    version = str(import_part("_version").__version__)
    if tuple(int(part) for part in version.split(".")[:2]) != SUPPORTED:
        raise ImportError(f"mlx-lm {'.'.join(map(str, SUPPORTED))} is needed, not another series", name="mlx_lm")
    for part in _PARTS:
        import_part(part)


def import_part(name: str) -> Any:
    """A module of MLX-LM, by a name of ours and never by a model's."""
    return importlib.import_module(f"mlx_lm.{name}")


def import_network(module_name: str) -> Any:
    """The module of a network, its attention made to work on rows of several sequences (see `rows`)."""
    module = import_part(f"models.{module_name}")
    attend = getattr(module, "scaled_dot_product_attention", None)
    if attend is not None and not hasattr(attend, "for_rows"):
        module.scaled_dot_product_attention = _attend_by_rows(attend)
    return module


def list_arrays(model: Any) -> list[tuple[str, mx.array]]:
    """The weights of a network, by name."""
    listed: list[tuple[str, mx.array]] = _tree.tree_flatten(model.parameters())
    return listed


def nest_parts(parts: list[tuple[str, Any]]) -> Any:
    """Parts of a network by path, as `update_modules` takes them."""
    return _tree.tree_unflatten(parts)


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
