"""Which model a body means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ostiary.errors import CONTRACT_TYPE, ContractRefused

if TYPE_CHECKING:
    from ostiary.gateway.served import ServedModel, ServedModels


def choose_model(models: ServedModels, name: str | None) -> ServedModel:
    """None: the one that is served. Raises GatewayRefused(GATEWAY_MODEL_UNKNOWN), and ContractRefused."""
    if name is not None:
        return models.find(name)
    if len(models.by_name) == 1:
        return next(iter(models.by_name.values()))
    raise ContractRefused(CONTRACT_TYPE, "model is missing: several are served", field="model")
