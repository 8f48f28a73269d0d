"""Which model runs how: its limits and its wall, chosen for this machine."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from typing import Final

from ostiary.cell.limits import CellLimits, check_memory, derive_limits
from ostiary.cell.limits_file import NO_RULES, LimitRules
from ostiary.cell.machine import read_machine
from ostiary.cell.probe import read_facts
from ostiary.cell.profile import Layer, WallProfile, choose_profile
from ostiary.cell.program import WorkerProgram, write_settings
from ostiary.cell.quarantine import Quarantine
from ostiary.core.digests import compute_root
from ostiary.core.frames import JsonObject
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import SealedModel
from ostiary.core.values import dataclass
from ostiary.errors import CellRefused
from ostiary.record.events import CellRefusedToStart, Emit

CAN_FORK: Final = os.name == "posix" and hasattr(os, "pidfd_open")


@dataclass(frozen=True, slots=True)
class CellPlan:
    """Which model runs how."""

    sealed: SealedModel
    engine: str
    limits: CellLimits
    profile: WallProfile
    settings: str = "{}"
    """For the engine, as JSON: see `program.write_settings`."""
    quarantine: Quarantine | None = None
    """None: ends are counted in this process only."""
    waits_for_release: bool = False
    """Whether a quarantined model is taken in without a process: it gets one when called after its release."""
    forks: bool = CAN_FORK
    """False: no fork server; see `WorkerProgram.forks`."""
    script: str | None = None
    """For tests; see `WorkerProgram.script`."""

    @property
    def root(self) -> str:
        """Over what is vouched for."""
        return _compute_root(self.sealed)

    @property
    def program(self) -> WorkerProgram:
        return choose_program(
            self.engine, json.loads(self.settings), self.profile.layers, forks=self.forks, script=self.script
        )


def choose_program(
    engine: str,
    settings: JsonObject,
    layers: Collection[Layer],
    *,
    forks: bool = CAN_FORK,
    script: str | None = None,
) -> WorkerProgram:
    """What the workers of an engine behind such a wall come from. No model has a part in it."""
    return WorkerProgram(
        engine=engine,
        settings=write_settings(settings),
        forks=forks,
        script=script,
        shares_namespaces=Layer.NAMESPACES in layers,
        inherits_environment=Layer.ENVIRONMENT not in layers,
        inherits_descriptors=Layer.DESCRIPTORS not in layers,
    )


def plan_cell(
    sealed: SealedModel,
    engine: str,
    emit: Emit,
    correlation_id: str,
    *,
    settings: JsonObject | None = None,
    rules: LimitRules = NO_RULES,
    without: Collection[Layer] = (),
    quarantine: Quarantine | None = None,
    waits_for_release: bool = False,
) -> CellPlan:
    """`rules`: what the operator set; `without`: layers that he chose to leave out; the rest as `CellPlan` has it.

    Raises CellRefused where the wall cannot be put up here, or the model cannot fit its limits; the record hears
    cell.refused then.
    """
    verified, machine = sealed.verified, read_machine()
    weight_bytes = sum(entry.size for entry in sealed.weights)
    derived = derive_limits(verified.manifest.facts, weight_bytes, machine.memory_bytes, machine.cores)
    limits = rules.change(derived, verified.model_id)
    try:
        check_memory(limits, weight_bytes)
        profile = choose_profile(read_facts(), limits, without)
    except CellRefused as error:
        error.correlation_id = correlation_id
        root, detail = _compute_root(sealed), quote_untrusted(error.message)
        emit(CellRefusedToStart(correlation_id=correlation_id, root=root, code=error.code, detail=detail))
        raise
    return CellPlan(sealed, engine, limits, profile, write_settings(settings or {}), quarantine, waits_for_release)


def _compute_root(sealed: SealedModel) -> str:
    """Over what is vouched for."""
    return compute_root(entry.sha256 for entry in sealed.verified.files)
