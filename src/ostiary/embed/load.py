"""Replacements of `mx.load` and `mlx_lm.load`: what was verified is what is loaded, whole and at once.

Every byte comes through descriptors and copies of the vault. No file of the model is opened again by its name,
nothing is left to be read later, nothing is fetched.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from ostiary.core.frames import ErrorName, JsonObject
from ostiary.core.tickets import FileKind
from ostiary.embed.arguments import BeliefArguments, PathName
from ostiary.embed.engine import import_mlx, import_mlx_lm
from ostiary.embed.opening import Opening, open_verified
from ostiary.networks.unfit import ModelUnfit

if TYPE_CHECKING:
    import mlx.core as mx

_CONFIG = "config.json"
_GENERATION = "generation_config.json"


@overload
def load(
    path: PathName, *, return_metadata: Literal[False] = False, **arguments: Unpack[BeliefArguments]
) -> dict[str, mx.array]: ...


@overload
def load(
    path: PathName, *, return_metadata: Literal[True], **arguments: Unpack[BeliefArguments]
) -> tuple[dict[str, mx.array], dict[str, str]]: ...


def load(
    path: PathName, *, return_metadata: bool = False, **arguments: Unpack[BeliefArguments]
) -> dict[str, mx.array] | tuple[dict[str, mx.array], dict[str, str]]:
    """The arrays of a safetensors file, or of a directory: the files that its index lists, or `model*.safetensors`.

    Raises Refusal for a no, Fault where it could not be done, Misuse.
    """
    import_mlx()
    with open_verified(path, arguments) as opening:
        tensors, metadata, _ = _read_weights(opening, None)
        opening.tell_embedded("tensors", len(tensors))
    return (tensors, metadata) if return_metadata else tensors


@overload
def load_model(
    path: PathName,
    *,
    adapter: str | None = None,
    tokenizer_config: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | None = None,
    return_config: Literal[False] = False,
    **arguments: Unpack[BeliefArguments],
) -> tuple[Any, Any]: ...


@overload
def load_model(
    path: PathName,
    *,
    adapter: str | None = None,
    tokenizer_config: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | None = None,
    return_config: Literal[True],
    **arguments: Unpack[BeliefArguments],
) -> tuple[Any, Any, dict[str, Any]]: ...


def load_model(
    path: PathName,
    *,
    adapter: str | None = None,
    tokenizer_config: Mapping[str, Any] | None = None,
    model_config: Mapping[str, Any] | None = None,
    return_config: bool = False,
    **arguments: Unpack[BeliefArguments],
) -> tuple[Any, Any] | tuple[Any, Any, dict[str, Any]]:
    """A model and its tokenizer for `mlx_lm.generate` and the rest of MLX-LM.

    `adapter` is the folder of the model that holds the adapter to use, verified with it. `model_config` and
    `tokenizer_config` are the application's own and come before what the model's files say. Raises as `load` does.
    """
    import_mlx_lm()
    with open_verified(path, arguments) as opening:
        contents = _override(opening.model.contents, model_config)
        model, config, count = _load_network(opening, contents, adapter)
        from ostiary.embed.tokenizer import open_tokenizer  # noqa: PLC0415  it imports Transformers

        tokenizer = open_tokenizer(contents, config, tokenizer_config or {})
        opening.tell_embedded("network", count)
    return (model, tokenizer, config) if return_config else (model, tokenizer)


def _load_network(
    opening: Opening, contents: Mapping[str, bytes], folder: str | None
) -> tuple[Any, dict[str, Any], int]:
    # they import MLX
    from ostiary.networks.adapters import apply_adapter, read_adapter  # noqa: PLC0415
    from ostiary.networks.configuration import read_configuration  # noqa: PLC0415
    from ostiary.networks.library import import_part  # noqa: PLC0415
    from ostiary.networks.weights import build_network  # noqa: PLC0415

    configuration = read_configuration(contents)
    adapter = None if folder is None else read_adapter(contents, folder)
    module = import_part(f"models.{configuration.architecture.module}")
    tensors, _, adapted = _read_weights(opening, folder)
    count = len(tensors) + len(adapted)
    model = build_network(configuration, module, tensors)
    if adapter is not None:
        apply_adapter(model, adapter, adapted)
    return model, _settle(configuration.values, contents), count


def _read_weights(
    opening: Opening, folder: str | None
) -> tuple[dict[str, mx.array], dict[str, str], dict[str, mx.array]]:
    """The arrays of the model, the metadata of its files, and the arrays of the adapter."""
    from ostiary.networks.adapters import WEIGHTS_NAME  # noqa: PLC0415  it imports MLX
    from ostiary.networks.weights import choose_weights, is_wanted  # noqa: PLC0415  it imports MLX

    sealed = opening.model
    listed = choose_weights(sealed.contents)
    is_single = len(sealed.verified.files) == 1 and not sealed.contents
    tensors: dict[str, mx.array] = {}
    metadata: dict[str, str] = {}
    adapted: dict[str, mx.array] = {}
    for weights in sealed.open_weights():
        entry = weights.entry
        is_adapter = folder is not None and entry.path == f"{folder}/{WEIGHTS_NAME}"
        if is_adapter or is_single or is_wanted(entry.path, listed):
            if entry.kind is not FileKind.SAFETENSORS:
                raise ModelUnfit(ErrorName.LOAD_FAILED, "its weights are not safetensors")
            found, said = _read_file(weights.descriptor)
            if is_adapter:
                adapted = found
            else:
                if not tensors.keys().isdisjoint(found):
                    raise ModelUnfit(ErrorName.LOAD_FAILED, "a tensor stands in two weights files")
                tensors |= found
                metadata |= said
        weights.finish()  # only now is it known that nobody changed what was read
    if not tensors:
        raise ModelUnfit(ErrorName.LOAD_FAILED, "it has no weights that its index lists or that are called model*")
    return tensors, metadata, adapted


def _read_file(descriptor: int) -> tuple[dict[str, mx.array], dict[str, str]]:
    """MLX reads a file object now; a path would be read when its arrays are first used."""
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return import_mlx().load(file, format="safetensors", return_metadata=True)  # type: ignore[no-any-return]


def _override(contents: Mapping[str, bytes], changes: Mapping[str, Any] | None) -> Mapping[str, bytes]:
    from ostiary.networks.configuration import read_object  # noqa: PLC0415

    if not changes:
        return contents
    config = {**(read_object(contents, _CONFIG) or {}), **changes}
    return {**contents, _CONFIG: json.dumps(config).encode()}


def _settle(values: JsonObject, contents: Mapping[str, bytes]) -> dict[str, Any]:
    """config.json as MLX-LM hands it on: where a text ends is said by generation_config.json, if it says so."""
    from ostiary.networks.configuration import read_object  # noqa: PLC0415

    generation = read_object(contents, _GENERATION) or {}
    ends = generation.get("eos_token_id")
    return {**values, "eos_token_id": ends} if ends else dict(values)
