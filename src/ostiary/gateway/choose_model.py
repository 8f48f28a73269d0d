"""Which model a body means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.errors import CONTRACT_TYPE, GATEWAY_OPERATION, ContractRefused, GatewayRefused

if TYPE_CHECKING:
    from ostiary.gateway.served import ServedModel, ServedModels
    from ostiary.graph.function_contract import FunctionContract


def choose_model(models: ServedModels, name: str | None) -> ServedModel:
    """None: the one that is served. Raises GatewayRefused(GATEWAY_MODEL_UNKNOWN), and ContractRefused."""
    if name is not None:
        return _refuse_function(models.find(name))
    if len(models.by_name) == 1:
        return _refuse_function(next(iter(models.by_name.values())))
    raise ContractRefused(CONTRACT_TYPE, "model is missing: several are served", field="model")


def choose_function(models: ServedModels, name: str) -> tuple[ServedModel, FunctionContract]:
    """With what it takes and gives. Raises GatewayRefused."""
    model = models.find(name)
    contract = model.opened.function
    if contract is None:
        raise GatewayRefused(
            GATEWAY_OPERATION, "model: this is a language model, which takes no tensors", field="model"
        )
    return model, contract


def _refuse_function(model: ServedModel) -> ServedModel:
    if model.opened.function is not None:
        raise GatewayRefused(GATEWAY_OPERATION, "model: this is a function, which takes tensors", field="model")
    return model
