"""Which model a body means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.errors import CONTRACT_TYPE, GATEWAY_OPERATION, ContractRefused, GatewayRefused

if TYPE_CHECKING:
    from ostiary.gateway.asked import Asked
    from ostiary.gateway.served import ServedModel
    from ostiary.graph.function_contract import FunctionContract


async def choose_model(asked: Asked, name: str | None) -> ServedModel:
    """Held until the request is over. None: the only one that this caller may ask.

    Raises GatewayRefused, and ContractRefused.
    """
    if name is not None:
        return _refuse_function(await asked.holding.take(asked.models.find(name, asked.caller)))
    offered = asked.models.list_for(asked.caller)
    if len(offered) == 1:
        return _refuse_function(await asked.holding.take(offered[0]))
    raise ContractRefused(CONTRACT_TYPE, "model is missing: not one alone is served", field="model")


async def choose_function(asked: Asked, name: str) -> tuple[ServedModel, FunctionContract]:
    """Held until the request is over, with what it takes and gives. Raises GatewayRefused."""
    model = await asked.holding.take(asked.models.find(name, asked.caller))
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
