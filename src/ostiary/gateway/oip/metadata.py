"""What is served, in the words of the Open Inference Protocol: versions, and a function's contract. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ostiary.errors import GATEWAY_MODEL_UNKNOWN, GatewayRefused
from ostiary.gateway.oip.forms import ModelMetadata, ServerMetadata, TensorMetadata, TensorRules
from ostiary.gateway.openapi import API_VERSION
from ostiary.graph.function_contract import PLATFORM, FunctionContract, TensorInput, TensorOutput

if TYPE_CHECKING:
    from ostiary.gateway.served import ServedModel

SERVER: Final = ServerMetadata(API_VERSION, ["binary_tensor_data"])


def name_version(model: ServedModel) -> str:
    """As it was signed; the only one that is served."""
    return model.verdict.model_version or "1"


def judge_version(model: ServedModel, version: str) -> None:
    """Raises GatewayRefused(GATEWAY_MODEL_UNKNOWN) where another one is meant."""
    if version != name_version(model):
        raise GatewayRefused(
            GATEWAY_MODEL_UNKNOWN, "version: another version of this model is served here", field="version"
        )


def describe_model(model: ServedModel, contract: FunctionContract) -> ModelMetadata:
    return ModelMetadata(
        model.name,
        [name_version(model)],
        PLATFORM,
        [_describe(rule) for rule in contract.inputs],
        [_describe(rule) for rule in contract.outputs],
    )


def _describe(rule: TensorInput | TensorOutput) -> TensorMetadata:
    shape = [size if isinstance(size, int) else -1 for size in rule.shape]
    bounds = rule.range if isinstance(rule, TensorInput) else None
    allowed = rule.allowed if isinstance(rule, TensorInput) else ()
    rules = TensorRules(
        [size if isinstance(size, int) else size.text for size in rule.shape],
        rule.is_finite,
        None if bounds is None else [*bounds],
        [*allowed] or None,
    )
    return TensorMetadata(rule.name, rule.datatype, shape, rules)
